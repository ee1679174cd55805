/** The session of one legacy client whose upstreams are reached over links: what a server over HTTP would keep for it. */
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { MessageId } from "../refusals.ts";
import { ServerRequestError } from "../upstream_link.ts";
import type { LinkLease, LinkPool } from "../links/link_pool.ts";
import { MAX_SERVER_REQUESTS } from "../links/link_options.ts";
import { type LinkedUpstream, linkKeyOf } from "./link_key.ts";
import type { AnswerStream } from "./answer_stream.ts";
import type { LinkEventId } from "../link_event_id.ts";
import { mayPrime } from "../versions.ts";
import {
  type KeptStream,
  type KeptStreams,
  MAX_KEPT_OF_SESSION,
  MAX_KEPT_OF_STREAM,
} from "./kept_streams.ts";
import { SessionChanges } from "./session_changes.ts";

/** What `initialize` settles. */
export interface LinkSessionOptions {
  readonly id: string;
  readonly tenant: string;
  /** Of the token that opened it, root first. */
  readonly blockIds: readonly string[];
  /** The upstreams that it may reach; one, but for sessions of the aggregate endpoint. */
  readonly upstreams: readonly LinkedUpstream[];
  readonly protocolVersion: string;
  readonly capabilities: JsonObject;
  readonly clientInfo: JsonObject | undefined;
  readonly pool: LinkPool;
  readonly kept: KeptStreams;
  /** The URI under which this session's client knows a resource of an upstream. */
  readonly shownUri: (upstream: string, uri: string) => string;
  /** Present in aggregate sessions, whose client is told by the front. */
  readonly onToolsChanged?: ((upstream: string) => void) | undefined;
  /** Called once, when a link that the session needs is lost. */
  readonly onLost: () => void;
}

/** Most requests of one session that are open at once. */
const MAX_RUNNING = 256;

/** One session. */
export class LinkSession {
  readonly options: LinkSessionOptions;
  readonly changes: SessionChanges;
  logLevel: string | undefined;
  /** By upstream, because a list of the aggregate endpoint goes to all of them under one id. */
  readonly #running = new Map<string, AbortController>();
  readonly #asked = new Map<string, PromiseWithResolvers<JsonObject>>();
  readonly #held = new Map<string, Promise<LinkLease>>();
  /** Streams that the client can come back for, by id. */
  readonly #streams = new Map<string, KeptStream>();
  #nextAsk = 1;
  #isClosed = false;

  constructor(options: LinkSessionOptions) {
    this.options = options;
    this.changes = new SessionChanges({
      upstreams: options.upstreams.map(({ name }) => name),
      lease: (name, onGone) => this.lease(name, onGone),
      shownUri: options.shownUri,
      onToolsChanged: options.onToolsChanged,
      kept: this.#keep({ maxKept: MAX_KEPT_OF_SESSION }),
      mayPrime: mayPrime(options.protocolVersion),
    });
  }

  /** An upstream of this session. */
  upstream(name: string): LinkedUpstream | undefined {
    return this.options.upstreams.find((upstream) => upstream.name === name);
  }

  /** Whether nobody else uses the session's link to the upstream. */
  isExclusive(upstream: LinkedUpstream): boolean {
    return this.#keyOf(upstream).blockIds !== undefined;
  }

  /** Whether the session has a link of its own to an upstream. */
  holds(upstream: string): boolean {
    return this.#held.has(upstream);
  }

  /**
   * A link to an upstream. One that is the session's own stays open as long as the session, because the upstream keeps its
   * state there: when it is lost, so is the session. Of one that others use, too, `onGone` tells. Throws `UpstreamFailure`.
   */
  async lease(name: string, onGone?: () => void): Promise<LinkLease> {
    const upstream = this.upstream(name);
    if (upstream === undefined || this.#isClosed) throw new UpstreamFailure("upstream_failed", "closed");
    const key = this.#keyOf(upstream);
    if (key.session === undefined) return await this.options.pool.lease(key, onGone);
    let held = this.#held.get(name);
    if (held === undefined) {
      held = this.options.pool.lease(key, this.options.onLost);
      this.#held.set(name, held);
      held.catch(() => this.#held.delete(name));
    }
    return { link: (await held).link, release: () => {} };
  }

  /** Keeps the stream of an answer of an upstream. */
  keepAnswer(upstream: string): KeptStream {
    return this.#keep({ upstream, maxKept: MAX_KEPT_OF_STREAM });
  }

  /** What follows an event on its stream, `undefined` when that is not known any more. */
  resume({ upstream, stream, number }: LinkEventId, signal: AbortSignal): Response | undefined {
    const kept = this.#streams.get(stream);
    if (upstream !== undefined) {
      return kept?.options.upstream === upstream ? kept.resume(number, signal) : undefined;
    }
    // Notices that were missed only say that something changed: a session without them is better than none.
    return this.changes.open(signal, kept === this.changes.kept ? number : undefined);
  }

  /** Begins a request of the client; throws `RangeError` for an id that is in use, or too many. */
  begin(upstream: string, id: MessageId): AbortController {
    const key = runningKey(upstream, id);
    if (this.#running.has(key)) throw new RangeError("A request with this id is open");
    if (this.#running.size >= MAX_RUNNING) throw new RangeError(`More than ${MAX_RUNNING} requests are open`);
    const stop = new AbortController();
    this.#running.set(key, stop);
    return stop;
  }

  end(upstream: string, id: MessageId): void {
    this.#running.delete(runningKey(upstream, id));
  }

  /** The client has taken a request back. */
  cancel(id: JsonValue | undefined): void {
    if (typeof id !== "string" && typeof id !== "number") return;
    for (const { name } of this.options.upstreams) this.#running.get(runningKey(name, id))?.abort();
  }

  /** Asks the client on the stream of one of its requests; rejects with `ServerRequestError`. */
  ask(stream: AnswerStream, method: string, params: JsonObject, signal: AbortSignal): Promise<JsonObject> {
    if (this.#asked.size >= MAX_SERVER_REQUESTS) {
      return Promise.reject(new ServerRequestError(-32603, "Too many requests to the client are open"));
    }
    const id = `ask-${this.#nextAsk++}`;
    if (signal.aborted) return Promise.reject(new ServerRequestError(-32603, "The request was taken back"));
    const asked = Promise.withResolvers<JsonObject>();
    const takeBack = () => {
      stream.send({ method: "notifications/cancelled", params: { requestId: id } });
      asked.reject(new ServerRequestError(-32603, "The request was taken back"));
    };
    this.#asked.set(id, asked);
    signal.addEventListener("abort", takeBack, { once: true });
    stream.send({ id, method, params });
    return asked.promise.finally(() => {
      this.#asked.delete(id);
      signal.removeEventListener("abort", takeBack);
    });
  }

  /** The client answers a request; one that nobody waits for is ignored. */
  answered(id: JsonValue | undefined, answer: { readonly result?: JsonValue; readonly error?: JsonValue }) {
    const asked = typeof id === "string" ? this.#asked.get(id) : undefined;
    if (asked === undefined) return;
    const { result, error } = answer;
    if (typeof result === "object" && result !== null && !Array.isArray(result)) {
      return asked.resolve(result as JsonObject);
    }
    asked.reject(refusalOf(error));
  }

  /** Ends everything that belongs to the session. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.changes.close();
    for (const stop of this.#running.values()) stop.abort();
    for (const stream of [...this.#streams.values()]) this.options.kept.forget(stream);
    for (const held of this.#held.values()) held.then((lease) => lease.release(), () => {});
    void this.options.pool.closeWhere(({ session }) => session === this.options.id);
  }

  #keep(of: { readonly upstream?: string; readonly maxKept: number }): KeptStream {
    const { kept, tenant } = this.options;
    const onForgotten = () => void this.#streams.delete(stream.id);
    const stream: KeptStream = kept.open({ ...of, tenant, onForgotten });
    this.#streams.set(stream.id, stream);
    return stream;
  }

  #keyOf(upstream: LinkedUpstream) {
    const { tenant, blockIds, id, capabilities } = this.options;
    return linkKeyOf(upstream, { tenant, blockIds, session: id, capabilities });
  }
}

function runningKey(upstream: string, id: MessageId): string {
  return JSON.stringify([upstream, id]);
}

function refusalOf(error: JsonValue | undefined): ServerRequestError {
  const { code, message, data } = typeof error === "object" && error !== null && !Array.isArray(error)
    ? error as JsonObject
    : {};
  const isCode = typeof code === "number" && Number.isSafeInteger(code);
  return new ServerRequestError(
    isCode ? code : -32603,
    typeof message === "string" ? message : "The client gave no usable answer",
    data,
  );
}
