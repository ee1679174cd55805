/** Streamable HTTP of the modern era, 2026-07-28: every request stands alone, and closing its stream cancels it. */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { type Exchange, UpstreamFailure } from "../upstream_connection.ts";
import type { LinkAnswer, LinkRequest, UpstreamLink } from "../upstream_link.ts";
import { ConversationLink, openedOrClosed } from "./conversation_link.ts";
import { discoverRequest, modernInfo } from "./handshake_requests.ts";
import {
  bytesOf,
  exchange,
  givenUp,
  type HttpLinkOptions,
  readJson,
  readStream,
  refuseStatus,
  toolOf,
  traceHeaders,
} from "./http_exchanges.ts";
import { HANDSHAKE_TIMEOUT_MS } from "./link_options.ts";
import { MODERN_VERSION } from "./modern_meta.ts";
import { headerValue, parameterHeaderValues } from "./parameter_headers.ts";
import type { PendingRequest } from "./pending_requests.ts";
import { ToolSchemas } from "./tool_schemas.ts";

/** A header does not match the body: what we know of the tool's schema may be old. */
const HEADER_MISMATCH = -32020;

/**
 * Asks the upstream what it is, for at most `probeTimeoutMs` where that is less than a handshake has; throws
 * `UpstreamFailure`, with the code `not_modern` when it answered as an upstream of the legacy era does.
 */
export async function openHttpModernLink(
  options: HttpLinkOptions,
  probeTimeoutMs: number = HANDSHAKE_TIMEOUT_MS,
): Promise<UpstreamLink> {
  return await openedOrClosed(new HttpModernLink(options), (link) => link.discover(probeTimeoutMs));
}

class HttpModernLink extends ConversationLink<HttpLinkOptions> {
  readonly #schemas: ToolSchemas;

  constructor(options: HttpLinkOptions) {
    super(options, {
      carriesTrace: false,
      accepts: (params, origin) => {
        this.#schemas.forget();
        return origin?.request.method !== "subscriptions/listen" || this.isCurrentNotice(params);
      },
    });
    this.conversation.era = "modern";
    this.#schemas = new ToolSchemas((request) => this.conversation.request(request), options);
  }

  async discover(probeTimeoutMs: number): Promise<void> {
    const { timeoutMs, ...asked } = discoverRequest(this.options, this.closing);
    const request = { ...asked, timeoutMs: Math.min(timeoutMs, probeTimeoutMs) };
    const info = modernInfo(await this.conversation.request(request));
    if (info === undefined) throw new UpstreamFailure("upstream_failed", "not_modern");
    this.opened(info);
  }

  override async request(request: LinkRequest): Promise<LinkAnswer> {
    const answer = await this.conversation.request(request);
    if (request.method === "tools/list" && answer.kind === "result") this.#schemas.learn(answer.result);
    const isMismatch = answer.kind === "error" && answer.error.code === HEADER_MISMATCH;
    if (!isMismatch || request.method !== "tools/call") return answer;
    // The upstream refused it before it did anything, so once more with what its tools are now.
    this.#schemas.forget();
    return await this.conversation.request(request);
  }

  override notify(): Promise<void> {
    return Promise.resolve();
  }

  async send(message: JsonObject, pending?: PendingRequest): Promise<void> {
    // Only answers to requests of the upstream come without one, and this era has no such requests over HTTP.
    if (pending === undefined) return;
    if (!this.isOpen()) throw new UpstreamFailure("upstream_failed", "closed");
    const mcpHeaders = await this.#headers(message, pending.request.signal);
    const answer = await exchange(this.options, {
      method: "POST",
      body: bytesOf(message),
      agentHeaders: traceHeaders(pending),
      ...{ mcpHeaders, protocolVersion: MODERN_VERSION, signal: givenUp(pending) },
      isLongLived: message.method === "subscriptions/listen",
    }, { pending, tool: toolOf(message) });
    await this.#takeAnswer(answer, pending);
  }

  cancel(): void {
    // `givenUp` closes the stream, which is how this era cancels.
  }

  async #headers(message: JsonObject, signal: AbortSignal): Promise<Record<string, string>> {
    const params = isJsonObject(message.params) ? message.params : {};
    const { method } = message;
    const named = method === "resources/read" ? params.uri : params.name;
    const isNamed = ["tools/call", "prompts/get", "resources/read"].includes(String(method));
    const headers: Record<string, string> = { "mcp-method": String(method) };
    if (isNamed && typeof named === "string") headers["mcp-name"] = headerValue(named);
    const tool = toolOf(message);
    if (tool === undefined || !isJsonObject(params.arguments)) return headers;
    const declared = await this.#schemas.headersOf(tool, signal);
    return { ...headers, ...parameterHeaderValues(declared, params.arguments) };
  }

  async #takeAnswer(answer: Exchange, pending: PendingRequest): Promise<void> {
    if (answer.status >= 300) return await refuseStatus(answer, pending);
    if (answer.contentType === "application/json") return await readJson(answer, this.conversation, pending);
    if (answer.contentType !== "text/event-stream") throw answer.fail("upstream_failed", "not_mcp");
    await readStream(answer, this.conversation, this.options, pending);
    if (!pending.ended.aborted) throw answer.fail("unknown", "stream_closed");
  }
}
