/**
 * HTTP+SSE, the transport of 2024-11-05: one stream on which everything comes, and an address, named on that stream, to
 * which everything is posted. Only for servers that have nothing else.
 */
import type { JsonObject } from "../../core/json.ts";
import { readEvents } from "../answer.ts";
import { type Exchange, UpstreamFailure } from "../upstream_connection.ts";
import type { UpstreamLink } from "../upstream_link.ts";
import { ConversationLink, openedOrClosed } from "./conversation_link.ts";
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
  return await openedOrClosed(new SseLink(options), (link) => link.open());
}

class SseLink extends ConversationLink<HttpLinkOptions> {
  readonly #endpoint = Promise.withResolvers<string>();
  #url: string | undefined;

  constructor(options: HttpLinkOptions) {
    super(options, { carriesTrace: false });
    this.#endpoint.promise.catch(() => {});
  }

  async open(): Promise<void> {
    const stream = await exchange(this.options, { method: "GET", signal: this.closing, isLongLived: true });
    if (stream.status !== 200 || stream.contentType !== "text/event-stream") {
      throw stream.fail("upstream_failed", stream.status === 200 ? "not_mcp" : `http_${stream.status}`);
    }
    stream.extendDeadline(LONGEST_TIMER_MS);
    const timer = setTimeout(() => {
      this.#endpoint.reject(new UpstreamFailure("upstream_failed", "not_mcp"));
    }, ENDPOINT_TIMEOUT_MS);
    void this.#read(stream);
    this.#url = await this.#endpoint.promise.finally(() => clearTimeout(timer));
    this.opened(await initialize(this.conversation, this.options, this.closing));
  }

  async send(message: JsonObject, pending?: PendingRequest): Promise<void> {
    if (!this.isOpen() || this.#url === undefined) throw new UpstreamFailure("upstream_failed", "closed");
    const answer = await exchange({ ...this.options, url: this.#url }, {
      method: "POST",
      body: bytesOf(message),
      agentHeaders: traceHeaders(pending),
      protocolVersion: this.protocolVersion,
      signal: pending === undefined ? this.closing : givenUp(pending),
    }, { pending, tool: toolOf(message) });
    if (answer.status >= 300) throw answer.fail("upstream_failed", `http_${answer.status}`);
    await answer.drain();
  }

  cancel(pending: PendingRequest, reason: GiveUpReason): void {
    this.tellCancelled(pending, reason);
  }

  async #read(stream: Exchange): Promise<void> {
    try {
      for await (const event of readEvents(stream, this.options.maxMessageBytes)) {
        if (event.data === undefined) continue;
        if (fieldOf(event, "event") === "endpoint") this.#takeEndpoint(event.data);
        else this.conversation.receive(event.data);
      }
      this.end("stream_closed");
    } catch (error) {
      this.end(error instanceof UpstreamFailure ? error.code : "connection_lost");
    }
  }

  /** An address of another origin would take the upstream's credential there. */
  #takeEndpoint(text: string): void {
    const base = new URL(this.options.url);
    const url = URL.parse(text, base);
    if (url === null || url.origin !== base.origin || url.username !== "" || url.password !== "") {
      this.#endpoint.reject(new UpstreamFailure("upstream_failed", "foreign_endpoint"));
    } else this.#endpoint.resolve(url.href);
  }

  protected override end(code: string): void {
    this.#endpoint.reject(new UpstreamFailure("upstream_failed", code)); // nobody waits for it any more once it is named
    super.end(code);
  }
}
