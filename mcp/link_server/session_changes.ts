/** The notices of a legacy session that belong to no request: its GET stream, and the resources that it watches. */
import type { JsonObject } from "../../core/json.ts";
import { EventWriter, MAX_BACKLOG_BYTES } from "../event_stream.ts";
import { TOOLS_CHANGED } from "../links/notification_hub.ts";
import type { LinkLease } from "../links/link_pool.ts";
import { MAX_RESOURCE_URIS } from "../links/link_options.ts";
import { eventResponse } from "./answer_stream.ts";
import type { KeptStream } from "./kept_streams.ts";

export interface SessionChangesOptions {
  readonly upstreams: readonly string[];
  /** Throws `UpstreamFailure`; calls back when the link is lost. */
  readonly lease: (upstream: string, onGone: () => void) => Promise<LinkLease>;
  readonly shownUri: (upstream: string, uri: string) => string;
  /** Present where the client is told of changed tools by somebody else. */
  readonly onToolsChanged?: ((upstream: string) => void) | undefined;
  /** What was sent on the stream. */
  readonly kept: KeptStream;
  /** Whether the client knows events without data. */
  readonly mayPrime: boolean;
}

interface Listening {
  readonly lease: LinkLease;
  readonly stop: () => void;
}

const LISTS = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
/** An upstream that cannot be listened to, or whose link was lost, is tried again after this time. */
const RETRY_MS = 5_000;
/** How long notices are kept for a client whose stream has broken, milliseconds. */
const AWAITED_MS = 60_000;

/** What one session listens to. */
export class SessionChanges {
  readonly #options: SessionChangesOptions;
  readonly #watched = new Map<string, Set<string>>();
  readonly #listening = new Map<string, Listening>();
  readonly #syncing = new Map<string, Promise<void>>();
  /** By upstream. */
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #stream: EventWriter | undefined;
  /** Runs while a client whose stream has broken may come back. */
  #awaiting: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: SessionChangesOptions) {
    this.#options = options;
  }

  /** Whether somebody reads the stream. */
  get isOpen(): boolean {
    return this.#stream !== undefined;
  }

  /** What was sent on the stream. */
  get kept(): KeptStream {
    return this.#options.kept;
  }

  /**
   * The session's stream; a newer one takes the place of an older one. `signal` ends it. With the number of the event that
   * the client has had last, it begins with those after it, as far as they are still there.
   */
  open(signal: AbortSignal, after?: number): Response {
    const { kept, mayPrime, upstreams } = this.#options;
    const former = this.#stream;
    const writer = new EventWriter(() => this.#streamGone(writer));
    this.#stream = writer;
    this.#stopAwaiting();
    former?.close();
    const missed = after === undefined ? [] : kept.after(after) ?? [];
    for (const text of missed) writer.write(text);
    if (missed.length === 0 && mayPrime) writer.write(kept.primingEvent());
    const end = () => {
      if (this.#streamGone(writer)) writer.close();
    };
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    for (const upstream of upstreams) void this.#keepListening(upstream);
    return eventResponse(writer);
  }

  /** Begins to watch a resource; resolves when the upstream knows. Throws `UpstreamFailure` or `RangeError`. */
  async watch(upstream: string, uri: string): Promise<void> {
    const uris = this.#watched.get(upstream) ?? new Set<string>();
    if (uris.has(uri)) return;
    if (uris.size >= MAX_RESOURCE_URIS) {
      throw new RangeError(`More than ${MAX_RESOURCE_URIS} resources watched`);
    }
    this.#watched.set(upstream, uris.add(uri));
    try {
      await this.#sync(upstream);
    } catch (error) {
      uris.delete(uri);
      throw error;
    }
  }

  /** Ends to watch a resource. */
  async unwatch(upstream: string, uri: string): Promise<void> {
    if (this.#watched.get(upstream)?.delete(uri) === true) await this.#sync(upstream);
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#stopAwaiting();
    this.#stream?.close();
    this.#stream = undefined;
    for (const upstream of this.#listening.keys()) this.#stopListening(upstream);
  }

  #streamGone(writer: EventWriter): boolean {
    if (this.#stream !== writer) return false;
    this.#stream = undefined;
    this.#awaiting = setTimeout(() => {
      this.#stopAwaiting();
      for (const upstream of this.#options.upstreams) this.#sync(upstream).catch(() => {});
    }, AWAITED_MS);
    return true;
  }

  #stopAwaiting(): void {
    clearTimeout(this.#awaiting);
    this.#awaiting = undefined;
  }

  /** Whether somebody reads the stream, or may come back to it. */
  get #isWanted(): boolean {
    return this.#stream !== undefined || this.#awaiting !== undefined;
  }

  async #keepListening(upstream: string): Promise<void> {
    try {
      await this.#sync(upstream);
    } catch {
      this.#retry(upstream);
    }
  }

  #retry(upstream: string): void {
    if (this.#isClosed || !this.#isWanted || this.#timers.has(upstream)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(upstream);
      void this.#keepListening(upstream);
    }, RETRY_MS);
    this.#timers.set(upstream, timer);
  }

  /** One change after another, each with what is wanted when its turn comes. */
  #sync(upstream: string): Promise<void> {
    const next = (this.#syncing.get(upstream) ?? Promise.resolve()).then(() => this.#listen(upstream));
    this.#syncing.set(upstream, next.catch(() => {}));
    return next;
  }

  async #listen(upstream: string): Promise<void> {
    const uris = [...this.#watched.get(upstream) ?? []];
    if (this.#isClosed || (!this.#isWanted && uris.length === 0)) {
      return this.#stopListening(upstream);
    }
    let listening: Listening | undefined;
    const lease = await this.#options.lease(upstream, () => this.#lost(upstream, listening));
    try {
      const filter = { ...LISTS, ...(uris.length === 0 ? {} : { resourceSubscriptions: uris }) };
      const stop = await lease.link.listen(filter, (method, params) => this.#pass(upstream, method, params));
      const former = this.#listening.get(upstream);
      listening = { lease, stop };
      this.#listening.set(upstream, listening);
      former?.stop();
      former?.lease.release();
      // Meanwhile the session may have ended, or the link.
      if (this.#isClosed) this.#stopListening(upstream);
      else if (!lease.link.isOpen()) this.#lost(upstream, listening);
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  #lost(upstream: string, listening: Listening | undefined): void {
    if (listening === undefined || this.#listening.get(upstream) !== listening) return;
    this.#stopListening(upstream);
    this.#retry(upstream);
  }

  #stopListening(upstream: string): void {
    const listening = this.#listening.get(upstream);
    this.#listening.delete(upstream);
    listening?.stop();
    listening?.lease.release();
  }

  #pass(upstream: string, method: string, params: JsonObject): void {
    const { onToolsChanged } = this.#options;
    if (method === TOOLS_CHANGED && onToolsChanged !== undefined) return onToolsChanged(upstream);
    if (!this.#isWanted) return;
    const shown = typeof params.uri === "string"
      ? { ...params, uri: this.#options.shownUri(upstream, params.uri) }
      : params;
    const text = this.#options.kept.write(JSON.stringify({ jsonrpc: "2.0", method, params: shown }));
    const stream = this.#stream;
    if (stream === undefined || stream.backlog <= MAX_BACKLOG_BYTES) return stream?.write(text);
    if (this.#streamGone(stream)) stream.close();
  }
}
