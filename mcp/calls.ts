/** `tools/call`: from the checked message to the gateway, and from its answer to the client. */
import { withDecision } from "./answer.ts";
import { type Arrival, type FrontParts, mayUse, SessionClaim, upstreamRefusalText } from "./arrival.ts";
import { parseToolCallParams, type RequestMessage } from "./message.ts";
import type { CallRoute, Forwarded } from "./port.ts";
import { jsonText, refusalResponse } from "./refusals.ts";
import type { Session } from "./sessions.ts";
import { toolCallOf } from "./tool_call.ts";
import { UpstreamFailure } from "./upstream_connection.ts";
import { relayRequest } from "./upstream_request.ts";

/** Answers a `tools/call`; throws `MessageError` for malformed params. */
export async function answerToolCall(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
): Promise<Response> {
  const call = toolCallOf(arrival.origin, message, parseToolCallParams(message));
  const claim = await SessionClaim.open(parts, arrival);
  const route = routeOf(parts, arrival, message, { claim, name: call.name });
  const answer = await parts.gateway.handle(call, arrival.credential, route);
  if (answer.kind === "forwarded") return answer.response;
  if (answer.kind === "session_not_found") return claim.refusal(message.id);
  // Without a session of it, the upstream must look like one that does not exist.
  const style = claim.knowsUpstream ? arrival.upstream?.refusals ?? "error" : "error";
  return refusalResponse(answer.refusal, message.id, {
    hasCredential: arrival.credential !== undefined,
    style,
  });
}

function routeOf(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  wanted: { readonly claim: SessionClaim; readonly name: string },
): CallRoute {
  const { upstream } = arrival;
  const { signal } = arrival.request; // taken now: it only notices what happens after it was asked for
  let session: Session | undefined;
  return {
    accepts(admitted) {
      // An upstream that is not there has no sessions: the missing definition answers, as for an unknown name.
      if (upstream === undefined || !mayUse(upstream, admitted)) return true;
      session = wanted.claim.accept(admitted);
      return session !== undefined;
    },
    definition() {
      // Nothing of the upstream may be seen without a session that was accepted.
      if (upstream === undefined || session === undefined) return undefined;
      return parts.catalogue.definition(upstream.name, wanted.name);
    },
    isGone: () => signal.aborted,
    async forward() {
      if (upstream === undefined || session === undefined) return notForwarded(arrival, message);
      const edit = withDecisionOf(arrival);
      return await relayRequest(parts, arrival, message, { upstream, session, edit });
    },
  };
}

function withDecisionOf(arrival: Arrival): (answer: Parameters<typeof withDecision>[0]) => string {
  return (answer) => withDecision(answer, arrival.origin.id);
}

function notForwarded(arrival: Arrival, message: RequestMessage): Forwarded {
  const failure = new UpstreamFailure("upstream_failed", "no_session");
  const response = jsonText(upstreamRefusalText(arrival, failure, message.id));
  return { response, ending: Promise.resolve({ kind: "not_forwarded", code: failure.code, upstreamMs: 0 }) };
}
