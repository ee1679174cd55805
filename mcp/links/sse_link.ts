/**
 * HTTP+SSE, the transport of 2024-11-05: one stream on which everything comes, and an address, named on that stream, to
 * which everything is posted. Only for servers that have nothing else.
 */
import type { JsonObject } from "../../core/json.ts";
import { readEvents } from "../answer.ts";
import { type Exchange, UpstreamFailure } from "../upstream_connection.ts";
import type {
  LinkAnswer,
  LinkRequest,
  NotificationFilter,
  NotificationListener,
  UpstreamInfo,
  UpstreamLink,
} from "../upstream_link.ts";
import { ChangeSubscriptions } from "./change_subscriptions.ts";
import { type Channel, Conversation } from "./conversation.ts";
import { initialize } from "./handshake_requests.ts";
import {
  bytesOf,
  exchange,
  fieldOf,
  givenUp,
  type HttpLinkOptions,
  toolOf,
  traceHeaders,
} from "./http_exchanges.ts";
import type { GiveUpReason, PendingRequest } from "./pending_requests.ts";

/** How long the upstream may take to name the address. */
const ENDPOINT_TIMEOUT_MS = 10_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Opens the stream and does the handshake; throws `UpstreamFailure`. */
export async function openSseLink(options: HttpLinkOptions): Promise<UpstreamLink> {
  const link = new SseLink(options);
  try {
    await link.open();
    return link;
  } catch (error) {
    await link.close();
    throw error;
  }
}

class SseLink implements UpstreamLink, Channel {
  readonly #options: HttpLinkOptions;
  readonly #conversation: Conversation;
  readonly #closing = new AbortController();
  readonly #gone = Promise.withResolvers<string>();
  readonly #endpoint = Promise.withResolvers<string>();
  #url: string | undefined;
  #info: UpstreamInfo | undefined;
  #changes: ChangeSubscriptions | undefined;

  constructor(options: HttpLinkOptions) {
    this.#options = options;
    this.#endpoint.promise.catch(() => {});
    this.#conversation = new Conversation({
      ...{ channel: this, isExclusive: options.isExclusive ?? false, carriesTrace: false },
    });
  }

  get info(): UpstreamInfo {
    if (this.#info === undefined) throw new TypeError("The link is not open yet");
    return this.#info;
  }

  get gone(): Promise<string> {
    return this.#gone.promise;
  }

  async open(): Promise<void> {
    const { signal } = this.#closing;
    const stream = await exchange(this.#options, { method: "GET", signal, isLongLived: true });
    if (stream.status !== 200 || stream.contentType !== "text/event-stream") {
      throw stream.fail("upstream_failed", stream.status === 200 ? "not_mcp" : `http_${stream.status}`);
    }
    stream.extendDeadline(LONGEST_TIMER_MS);
    const timer = setTimeout(() => {
      this.#endpoint.reject(new UpstreamFailure("upstream_failed", "not_mcp"));
    }, ENDPOINT_TIMEOUT_MS);
    void this.#read(stream);
    this.#url = await this.#endpoint.promise.finally(() => clearTimeout(timer));
    this.#info = await initialize(this.#conversation, this.#options, signal);
    this.#changes = new ChangeSubscriptions({
      ...{ conversation: this.#conversation, link: this.#options, info: this.#info, signal },
    });
  }

  request(request: LinkRequest): Promise<LinkAnswer> {
    return this.#conversation.request(request);
  }

  notify(method: string, params: JsonObject): Promise<void> {
    return this.#conversation.notify(method, params);
  }

  listen(filter: NotificationFilter, listener: NotificationListener): Promise<() => void> {
    if (this.#changes === undefined || !this.isOpen()) {
      return Promise.reject(new UpstreamFailure("upstream_failed", "closed"));
    }
    return this.#changes.listen(filter, listener);
  }

  isOpen(): boolean {
    return !this.#closing.signal.aborted;
  }

  close(): Promise<void> {
    this.#end("closed");
    return Promise.resolve();
  }

  async send(message: JsonObject, pending?: PendingRequest): Promise<void> {
    if (!this.isOpen() || this.#url === undefined) throw new UpstreamFailure("upstream_failed", "closed");
    const answer = await exchange({ ...this.#options, url: this.#url }, {
      method: "POST",
      body: bytesOf(message),
      agentHeaders: traceHeaders(pending),
      protocolVersion: this.#info?.protocolVersion,
      signal: pending === undefined ? this.#closing.signal : givenUp(pending),
    }, { pending, tool: toolOf(message) });
    if (answer.status >= 300) throw answer.fail("upstream_failed", `http_${answer.status}`);
    await answer.drain();
  }

  cancel(pending: PendingRequest, reason: GiveUpReason): void {
    if (pending.request.method === "initialize" || !this.isOpen()) return;
    this.#conversation.notify("notifications/cancelled", { requestId: pending.id, reason }).catch(() => {});
  }

  async #read(stream: Exchange): Promise<void> {
    try {
      for await (const event of readEvents(stream, this.#options.maxMessageBytes)) {
        if (event.data === undefined) continue;
        if (fieldOf(event, "event") === "endpoint") this.#takeEndpoint(event.data);
        else this.#conversation.receive(event.data);
      }
      this.#end("stream_closed");
    } catch (error) {
      this.#end(error instanceof UpstreamFailure ? error.code : "connection_lost");
    }
  }

  /** An address of another origin would take the upstream's credential there. */
  #takeEndpoint(text: string): void {
    const base = new URL(this.#options.url);
    const url = URL.parse(text, base);
    if (url === null || url.origin !== base.origin || url.username !== "" || url.password !== "") {
      this.#endpoint.reject(new UpstreamFailure("upstream_failed", "foreign_endpoint"));
    } else this.#endpoint.resolve(url.href);
  }

  #end(code: string): void {
    if (!this.isOpen()) return;
    this.#closing.abort();
    this.#endpoint.reject(new UpstreamFailure("upstream_failed", code));
    this.#conversation.end(code);
    this.#gone.resolve(code);
  }
}
