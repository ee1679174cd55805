/** How a session begins. */
import { type Answer, collectAnswer } from "./answer.ts";
import { answerJson } from "./answer_body.ts";
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
  const { bridged } = to.upstream;
  const direct = await initialized(parts, arrival, message, to);
  if (direct.hasSession || bridged === undefined || !direct.isRefused) return direct.response;
  // It may speak the other era only, or the transport of 2024: links find out.
  const over = await initialized(parts, arrival, message, { ...to, upstream: bridged, isBridged: true });
  return over.hasSession ? over.response : direct.response;
}

interface Initialized {
  readonly response: Response;
  readonly hasSession: boolean;
  /** Whether the upstream answered, and did not want to. */
  readonly isRefused: boolean;
}

interface InitializeTo {
  readonly admitted: Admission;
  readonly upstream: ResolvedUpstream;
  readonly isBridged?: true;
}

async function initialized(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  to: InitializeTo,
): Promise<Initialized> {
  try {
    const exchange = await exchangeWith(to.upstream, {
      method: "POST",
      body: initializeBody(message, to.upstream.client_requests),
      agentHeaders: arrival.request.headers,
      caller: to.admitted,
    }, parts);
    const passed = await relayErrorStatus(exchange, { id: message.id, room: arrival.visit });
    if (passed !== undefined) return { response: passed.response, hasSession: false, isRefused: true };
    const { sessionId } = exchange;
    // The whole answer is awaited: the session id, which stands in a header, carries the negotiated version.
    const answer = await collectAnswer(exchange, message.id, to.upstream.max_response_bytes);
    const response = answerJson(edited(exchange, answer), arrival.visit);
    if (answer.result === undefined) return { response, hasSession: false, isRefused: true };
    response.headers.set("mcp-session-id", await mintSession(parts, exchange, answer, { ...to, sessionId }));
    return { response, hasSession: true, isRefused: false };
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    const response = jsonText(upstreamRefusalText(arrival, error, message.id));
    // Some of the modern era answer with a version of theirs.
    const isRefused = error.code === "unsupported_version" || NOT_SPOKEN.includes(error.status ?? 0);
    return { response, hasSession: false, isRefused };
  }
}

/** Statuses of servers to which a POST, or this one, says nothing. */
const NOT_SPOKEN: readonly number[] = [400, 404, 405, 406, 415, 422, 501];

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
  of: InitializeTo & { readonly sessionId: string | undefined },
): Promise<string> {
  const protocolVersion = negotiatedVersion(answer);
  if (protocolVersion === undefined) throw exchange.fail("upstream_failed", "unsupported_version");
  return await parts.sessions.seal({
    upstream: of.upstream.name,
    ...(of.sessionId === undefined ? {} : { upstreamSessionId: of.sessionId }),
    ...(of.isBridged === undefined ? {} : { isBridged: of.isBridged }),
    tenant: of.admitted.tenant,
    agent: of.admitted.agent,
    rootBlockId: of.admitted.rootBlockId,
    expiresAt: Math.floor(parts.nowMs() / 1000) + parts.sessionLifetimeSeconds,
    protocolVersion,
  });
}
