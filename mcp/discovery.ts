/** What a session needs besides `tools/call`: initialize, initialized, ping and tools/list. Everything else is refused. */
import type { ToolDefinition } from "../core/call.ts";
import { type Answer, collectAnswer } from "./answer.ts";
import { admit, type Arrival, type FrontParts, SessionClaim, upstreamRefusalText } from "./arrival.ts";
import { initializeBody, negotiatedVersion, withToolsOnly } from "./handshake.ts";
import type { Message, NotificationMessage, RequestMessage } from "./message.ts";
import type { Admission, Admitted } from "./port.ts";
import { jsonText, type MessageId, refusalMessage, RPC, rpcError, sessionNotFound } from "./refusals.ts";
import { relayErrorStatus } from "./relay.ts";
import { filterToolList } from "./tool_list.ts";
import {
  type Exchange,
  exchangeWith,
  type ResolvedUpstream,
  UpstreamFailure,
} from "./upstream_connection.ts";
import { type Destination, relayRequest, sendMessage } from "./upstream_request.ts";
import { LEGACY_VERSIONS, modernVersion } from "./versions.ts";

/** Answers every message but a legacy `tools/call`. */
export async function answerDiscovery(
  parts: FrontParts,
  arrival: Arrival,
  message: Message,
): Promise<Response> {
  const id = message.kind === "request" ? message.id : null;
  const method = message.kind === "response" ? "response" : message.method;
  const admission = await admit(parts, arrival, method, id);
  if (admission instanceof Response) return admission;
  const { admitted, upstream } = admission;
  if (message.kind === "response") {
    return rpcError(400, RPC.invalidRequest, "No request of the server is open");
  }
  const modern = modernVersion(arrival.protocolVersion ?? null, message.params);
  if (modern !== undefined) return refuseModern(message, modern);
  if (method === "initialize" && message.kind === "request") {
    return await answerInitialize(parts, arrival, message, { admitted, upstream });
  }
  if (!["notifications/initialized", "ping", "tools/list"].includes(method)) return methodNotFound(message);
  const claim = await SessionClaim.open(parts, arrival);
  const session = claim.accept(admitted);
  if (session === undefined) return claim.refusal(id);
  if (message.kind === "notification") {
    return await passNotification(parts, arrival, message, { upstream, session });
  }
  const edit = method === "tools/list"
    ? listFilter(arrival, admitted, message.id)
    : (answer: Answer) => answer.text;
  return (await relayRequest(parts, arrival, message, { upstream, session, edit })).response;
}

/** Filters an answer to `tools/list`; a filter that fails lists nothing. */
export function listFilter(
  arrival: Arrival,
  admitted: Admitted,
  id: MessageId | null,
): (answer: Answer) => Promise<string> {
  const lists = (tools: readonly ToolDefinition[]) => admitted.lists(tools);
  return async (answer) => {
    try {
      return await filterToolList(answer, arrival.origin.upstream, lists);
    } catch {
      return JSON.stringify(refusalMessage({
        check: "gateway",
        code: "list_failed",
        reason: "The tools could not be filtered",
        decisionId: arrival.origin.id,
        unauthenticated: false,
      }, id));
    }
  };
}

/**
 * Clients of both eras probe with `server/discover` and fall back to `initialize` on "method not found". The code for
 * an unsupported version would tell some of them that a modern server is here, so it answers every other method only.
 */
function refuseModern(message: RequestMessage | NotificationMessage, requested: string): Response {
  if (message.method === "server/discover") return methodNotFound(message);
  const id = message.kind === "request" ? message.id : null;
  const data = { supported: LEGACY_VERSIONS, requested };
  return rpcError(400, RPC.unsupportedVersion, "The protocol version is not supported", id, data);
}

function methodNotFound(message: RequestMessage | NotificationMessage): Response {
  if (message.kind === "request") {
    return rpcError(200, RPC.methodNotFound, "The method is not supported", message.id);
  }
  return rpcError(400, RPC.methodNotFound, "The notification is not supported");
}

async function answerInitialize(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  to: { readonly admitted: Admission; readonly upstream: ResolvedUpstream },
): Promise<Response> {
  try {
    const exchange = await exchangeWith(to.upstream, {
      method: "POST",
      body: initializeBody(message),
      agentHeaders: arrival.request.headers,
    }, parts);
    const passed = await relayErrorStatus(exchange, message.id);
    if (passed !== undefined) return passed.response;
    const { sessionId } = exchange;
    // The whole answer is awaited: the session id, which stands in a header, carries the negotiated version.
    const answer = await collectAnswer(exchange, message.id, to.upstream.max_response_bytes);
    const response = jsonText(edited(exchange, answer));
    if (answer.result === undefined) return response;
    response.headers.set("mcp-session-id", await mintSession(parts, exchange, answer, { ...to, sessionId }));
    return response;
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    return jsonText(upstreamRefusalText(arrival, error, message.id));
  }
}

function edited(exchange: Exchange, answer: Answer): string {
  try {
    return withToolsOnly(answer);
  } catch {
    throw exchange.fail("upstream_failed", "not_mcp");
  }
}

async function mintSession(
  parts: FrontParts,
  exchange: Exchange,
  answer: Answer,
  of: {
    readonly admitted: Admission;
    readonly upstream: ResolvedUpstream;
    readonly sessionId: string | undefined;
  },
): Promise<string> {
  const protocolVersion = negotiatedVersion(answer);
  if (protocolVersion === undefined) throw exchange.fail("upstream_failed", "unsupported_version");
  return await parts.sessions.seal({
    upstream: of.upstream.name,
    ...(of.sessionId === undefined ? {} : { upstreamSessionId: of.sessionId }),
    tenant: of.admitted.tenant,
    agent: of.admitted.agent,
    rootBlockId: of.admitted.rootBlockId,
    expiresAt: Math.floor(parts.nowMs() / 1000) + parts.sessionLifetimeSeconds,
    protocolVersion,
  });
}

async function passNotification(
  parts: FrontParts,
  arrival: Arrival,
  message: NotificationMessage,
  to: Destination,
): Promise<Response> {
  try {
    const exchange = await sendMessage(parts, arrival, message, to);
    await exchange.drain();
    if (exchange.status < 300) return new Response(null, { status: 202 });
    if (exchange.status === 404) return sessionNotFound(null);
    throw new UpstreamFailure("upstream_failed", `http_${exchange.status}`, exchange.status);
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    return jsonText(upstreamRefusalText(arrival, error, null), 502);
  }
}
