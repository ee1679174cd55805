/** What links of every transport have in common: one conversation, one handshake, one end. */
import type { JsonObject } from "../../core/json.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type {
  LinkAnswer,
  LinkRequest,
  NotificationFilter,
  NotificationListener,
  UpstreamInfo,
  UpstreamLink,
} from "../upstream_link.ts";
import { ChangeSubscriptions } from "./change_subscriptions.ts";
import { type Channel, Conversation, type ConversationOptions } from "./conversation.ts";
import type { LinkOptions } from "./link_options.ts";
import type { GiveUpReason, PendingRequest } from "./pending_requests.ts";

/** A link that carries its conversation itself. */
export abstract class ConversationLink<Options extends LinkOptions> implements UpstreamLink, Channel {
  protected readonly options: Options;
  protected readonly conversation: Conversation;
  /** Aborted when the link ends. */
  protected readonly closing: AbortSignal;
  readonly #closer = new AbortController();
  readonly #gone = Promise.withResolvers<string>();
  #info: UpstreamInfo | undefined;
  #changes: ChangeSubscriptions | undefined;

  constructor(options: Options, conversation: Omit<ConversationOptions, "channel" | "isExclusive">) {
    this.options = options;
    this.closing = this.#closer.signal;
    this.conversation = new Conversation({
      ...conversation,
      ...{ channel: this, isExclusive: options.isExclusive ?? false },
    });
  }

  abstract send(message: JsonObject, pending?: PendingRequest): Promise<void>;
  abstract cancel(pending: PendingRequest, reason: GiveUpReason): void;

  get info(): UpstreamInfo {
    if (this.#info === undefined) throw new TypeError("The link is not open yet");
    return this.#info;
  }

  get gone(): Promise<string> {
    return this.#gone.promise;
  }

  request(request: LinkRequest): Promise<LinkAnswer> {
    return this.conversation.request(request);
  }

  notify(method: string, params: JsonObject): Promise<void> {
    return this.conversation.notify(method, params);
  }

  listen(filter: NotificationFilter, listener: NotificationListener): Promise<() => void> {
    if (this.#changes === undefined || !this.isOpen()) {
      return Promise.reject(new UpstreamFailure("upstream_failed", "closed"));
    }
    return this.#changes.listen(filter, listener);
  }

  isOpen(): boolean {
    return !this.closing.aborted;
  }

  close(): Promise<void> {
    this.end("closed");
    return Promise.resolve();
  }

  /** The version that the handshake settled, `undefined` before it. */
  protected get protocolVersion(): string | undefined {
    return this.#info?.protocolVersion;
  }

  /** The handshake is over: from now on the link knows the upstream and can listen. */
  protected opened(info: UpstreamInfo, beforeFirst?: () => void): void {
    this.#info = info;
    this.#changes = new ChangeSubscriptions({
      ...{ conversation: this.conversation, link: this.options, info, signal: this.closing },
      ...(beforeFirst === undefined ? {} : { beforeFirst }),
    });
  }

  /** Whether a notice belongs to the stream that is open now. */
  protected isCurrentNotice(params: JsonObject): boolean {
    return this.#changes?.isCurrent(params) ?? true;
  }

  /** Ends the link once; everything that waits for it fails. */
  protected end(code: string): void {
    if (!this.isOpen()) return;
    this.#closer.abort();
    this.conversation.end(code);
    this.#gone.resolve(code);
  }

  /** Legacy upstreams are told of a request that is given up; the handshake must not be cancelled by a message. */
  protected tellCancelled({ id, request }: PendingRequest, reason: GiveUpReason): void {
    if (request.method === "initialize" || request.method === "server/discover" || !this.isOpen()) return;
    this.conversation.notify("notifications/cancelled", { requestId: id, reason }).catch(() => {});
  }
}

/** Does the handshake of a link, and closes it when that fails. */
export async function openedOrClosed<Link extends { close(): Promise<void> }>(
  link: Link,
  shakeHands: (link: Link) => Promise<void>,
): Promise<Link> {
  try {
    await shakeHands(link);
    return link;
  } catch (error) {
    await link.close();
    throw error;
  }
}
