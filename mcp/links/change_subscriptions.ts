/**
 * Keeps an upstream told which change notices anybody wants: resource by resource for a legacy upstream, one
 * `subscriptions/listen` with everything for a modern one, opened anew when more or less is wanted.
 */
import type { JsonObject } from "../../core/json.ts";
import { isJsonObject } from "../../core/json.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { NotificationFilter, NotificationListener, UpstreamInfo } from "../upstream_link.ts";
import type { Conversation } from "./conversation.ts";
import { ownRequest } from "./handshake_requests.ts";
import type { LinkOptions } from "./link_options.ts";
import { SUBSCRIPTION_META } from "./modern_meta.ts";
import type { PendingRequest } from "./pending_requests.ts";

/** A stream that the upstream ended is opened anew after this time, doubled with every failure. */
const REOPEN_MS = 1_000;
const MAX_REOPEN_MS = 60_000;

export interface ChangeSubscriptionsOptions {
  readonly conversation: Conversation;
  readonly link: LinkOptions;
  readonly info: UpstreamInfo;
  /** Aborted when the link closes. */
  readonly signal: AbortSignal;
  /** A legacy upstream over HTTP needs a stream for notices before the first can come. */
  readonly beforeFirst?: () => void;
}

interface Stream {
  readonly pending: PendingRequest;
  readonly stop: () => void;
}

/** The change notices of one link. */
export class ChangeSubscriptions {
  readonly #options: ChangeSubscriptionsOptions;
  /** One change after another. */
  #syncing: Promise<void> = Promise.resolve();
  readonly #watched = new Set<string>();
  #stream: Stream | undefined;
  #streamUnion = "{}";
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ChangeSubscriptionsOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => clearTimeout(this.#timer), { once: true });
  }

  /** Adds a listener; resolves when the upstream knows. */
  async listen(filter: NotificationFilter, listener: NotificationListener): Promise<() => void> {
    const { hub } = this.#options.conversation;
    const isFirst = hub.size === 0;
    const remove = hub.add(filter, listener);
    if (isFirst) this.#options.beforeFirst?.();
    const stop = () => {
      remove();
      this.#queueSync().catch(() => {});
    };
    try {
      await this.#queueSync(filter.resourceSubscriptions);
    } catch (error) {
      stop();
      throw error;
    }
    return stop;
  }

  /** Whether a change notice is of the newest stream: the one before may say the same again. */
  isCurrent(params: JsonObject): boolean {
    const id = isJsonObject(params._meta) ? params._meta[SUBSCRIPTION_META] : undefined;
    return id === undefined || this.#stream === undefined || id === this.#stream.pending.id;
  }

  #queueSync(added: readonly string[] = []): Promise<void> {
    const next = this.#syncing.then(() => this.#sync(added));
    this.#syncing = next.catch(() => {});
    return next;
  }

  async #sync(added: readonly string[]): Promise<void> {
    if (this.#options.signal.aborted) return;
    if (this.#options.info.era === "legacy") return await this.#syncResources(added);
    const union = offered(this.#options.conversation.hub.union(), this.#options.info.capabilities);
    const text = JSON.stringify(union);
    if (text === this.#streamUnion && (text === "{}" || this.#stream !== undefined)) return;
    const former = this.#stream;
    // Until the new stream is acknowledged, the former one is the one that counts: nothing is missed, nothing comes twice.
    this.#stream = text === "{}" ? undefined : await this.#openStream(union);
    this.#streamUnion = text;
    former?.stop();
  }

  /** Each listener asks for its own resources only: what the upstream refuses to one must not fail another. */
  async #syncResources(added: readonly string[]): Promise<void> {
    const wanted = this.#options.conversation.hub.uris();
    for (const uri of added) {
      if (this.#watched.has(uri)) continue;
      await this.#tell("resources/subscribe", uri);
      this.#watched.add(uri);
    }
    for (const uri of [...this.#watched]) {
      if (wanted.has(uri)) continue;
      this.#watched.delete(uri);
      await this.#tell("resources/unsubscribe", uri).catch(() => {}); // nobody waits for that
    }
  }

  async #tell(method: string, uri: string): Promise<void> {
    const { conversation, link, signal } = this.#options;
    const answer = await conversation.request(ownRequest(method, { uri }, link, signal));
    if (answer.kind === "error") throw new UpstreamFailure("upstream_failed", "subscription_refused");
  }

  async #openStream(union: NotificationFilter): Promise<Stream> {
    const { conversation, link, signal } = this.#options;
    const stopped = new AbortController();
    const acknowledged = Promise.withResolvers<void>();
    const request = {
      ...ownRequest("subscriptions/listen", { notifications: { ...union } as JsonObject }, link, signal),
      signal: AbortSignal.any([signal, stopped.signal]),
      timeoutMs: Infinity,
      onNotification: (method: string) => {
        if (method === "notifications/subscriptions/acknowledged") acknowledged.resolve();
      },
    };
    const pending = conversation.pending.open(request);
    const stream = { pending, stop: () => stopped.abort() };
    conversation.start(pending);
    const timer = setTimeout(
      () => stopped.abort(),
      request.idleTimeoutMs ?? link.handshakeTimeoutMs ?? 10_000,
    );
    pending.answer.then(() => undefined, () => undefined).then(() => {
      acknowledged.reject(new UpstreamFailure("upstream_failed", "subscription_refused"));
      this.#streamEnded(stream);
    });
    await acknowledged.promise.finally(() => clearTimeout(timer));
    this.#failures = 0;
    return stream;
  }

  /** The upstream ended the stream although somebody still wants it. */
  #streamEnded(stream: Stream): void {
    if (this.#stream !== stream || this.#options.signal.aborted) return;
    this.#stream = undefined;
    const waitMs = Math.min(REOPEN_MS * 2 ** this.#failures++, MAX_REOPEN_MS);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#queueSync().catch(() => {}), waitMs);
  }
}

/** Without lists that the upstream never announces changes of; what it cannot watch it must refuse itself. */
function offered(wanted: NotificationFilter, capabilities: JsonObject): NotificationFilter {
  const announces = (name: string) =>
    isJsonObject(capabilities[name]) && capabilities[name].listChanged === true;
  const { toolsListChanged, promptsListChanged, resourcesListChanged, resourceSubscriptions } = wanted;
  return {
    ...(toolsListChanged === true && announces("tools") ? { toolsListChanged } : {}),
    ...(promptsListChanged === true && announces("prompts") ? { promptsListChanged } : {}),
    ...(resourcesListChanged === true && announces("resources") ? { resourcesListChanged } : {}),
    ...(resourceSubscriptions === undefined ? {} : { resourceSubscriptions }),
  };
}
