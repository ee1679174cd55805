/** How a session begins. */
import { type Answer, collectAnswer } from "./answer.ts";
import { type Arrival, type FrontParts, upstreamRefusalText } from "./arrival.ts";
import { initializeBody, negotiatedVersion, withGovernedOnly } from "./handshake.ts";
import type { RequestMessage } from "./message.ts";
import type { Admission } from "./port.ts";
import { jsonText } from "./refusals.ts";
import { relayErrorStatus } from "./relay.ts";
import {
  type Exchange,
  exchangeWith,
  type ResolvedUpstream,
  UpstreamFailure,
} from "./upstream_connection.ts";

/** Answers `initialize`: opens a session of the upstream, and one of the gateway's own around it. */
export async function answerInitialize(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  to: { readonly admitted: Admission; readonly upstream: ResolvedUpstream },
): Promise<Response> {
  try {
    const exchange = await exchangeWith(to.upstream, {
      method: "POST",
      body: initializeBody(message, to.upstream.client_requests),
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
    return withGovernedOnly(answer);
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
