/** `tools/call`: from the checked message to the gateway, and from its answer to the client. */
import { withDecision } from "./answer.ts";
import { type Arrival, type FrontParts, mayUse, notificationListener, SessionClaim, upstreamRefusalText } from "./arrival.ts";
import { parseToolCallParams, type RequestMessage } from "./message.ts";
import type { CallRoute, Forwarded } from "./port.ts";
import { refusalResponse, sessionNotFound } from "./refusals.ts";
import { relayAnswer, type RelayPlan } from "./relay.ts";
import type { Session } from "./sessions.ts";
import { toolCallOf } from "./tool_call.ts";
import { exchangeWith, type ResolvedUpstream, UpstreamFailure } from "./upstream_connection.ts";

/** Answers a `tools/call`; throws `MessageError` for malformed params. */
export async function answerToolCall(parts: FrontParts, arrival: Arrival, message: RequestMessage): Promise<Response> {
  const call = toolCallOf(arrival.origin, message, parseToolCallParams(message));
  const claim = await SessionClaim.open(parts, arrival);
  const answer = await parts.gateway.handle(call, arrival.credential, routeOf(parts, arrival, message, claim));
  if (answer.kind === "forwarded") return withSessionFate(answer.response, message);
  if (answer.kind === "session_not_found") return claim.refusal(message.id);
  const style = arrival.upstream?.refusals ?? "error";
  return refusalResponse(answer.refusal, message.id, { hasCredential: arrival.credential !== undefined, style });
}

function routeOf(parts: FrontParts, arrival: Arrival, message: RequestMessage, claim: SessionClaim): CallRoute {
  const { upstream } = arrival;
  let session: Session | undefined;
  return {
    accepts(admitted) {
      // An unknown upstream has no sessions: the missing definition answers, as it does for an unknown name.
      if (upstream === undefined || !mayUse(upstream, admitted)) return true;
      session = claim.accept(admitted);
      return session !== undefined;
    },
    async definition() {
      // Without a session that was accepted nothing of the upstream may be seen.
      if (upstream === undefined || session === undefined) return undefined;
      return await parts.catalogue.definition(upstream.name, call_name(message));
    },
    async forward() {
      if (upstream === undefined || session === undefined) return notForwarded(arrival, message);
      return await forwardCall(parts, arrival, message, { upstream, session });
    },
  };
}

function call_name(message: RequestMessage): string {
  return parseToolCallParams(message).name;
}

/** Sends the bytes that were decided on; never throws. */
async function forwardCall(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  to: { readonly upstream: ResolvedUpstream; readonly session: Session },
): Promise<Forwarded> {
  const plan: RelayPlan = {
    id: message.id,
    maxEventLength: to.upstream.max_response_bytes,
    edit: (answer) => withDecision(answer, arrival.origin.id),
    failed: (failure) => upstreamRefusalText(arrival, failure, message.id),
    onNotification: notificationListener(parts, arrival),
  };
  const sending = exchangeWith(to.upstream, {
    method: "POST",
    body: message.bytes,
    agentHeaders: arrival.request.headers,
    sessionId: to.session.upstreamSessionId,
    protocolVersion: arrival.protocolVersion,
  }, parts);
  return await relayAnswer(sending, plan, parts.nowMs);
}

function notForwarded(arrival: Arrival, message: RequestMessage): Forwarded {
  const failure = new UpstreamFailure("upstream_failed", "no_session");
  const response = new Response(upstreamRefusalText(arrival, failure, message.id), {
    headers: { "content-type": "application/json", "cache-control": "no-store" },
  });
  return { response, ending: Promise.resolve({ kind: "not_forwarded", code: "no_session", upstreamMs: 0 }) };
}

/** A bare 404 of the upstream means that its session is gone: the client must open a new one. */
function withSessionFate(response: Response, _message: RequestMessage): Response {
  return response.status === 404 && response.body === null ? sessionNotFound(_message.id) : response;
}
