/** Governed requests of a legacy session. */
import type { JsonObject } from "../core/json.ts";
import { NOT_AVAILABLE } from "../core/refusal_codes.ts";
import { type Arrival, type FrontParts, SessionClaim } from "./arrival.ts";
import { answerCall, type CallPath } from "./calls.ts";
import { decideRound } from "./call_rounds.ts";
import type { RequestMessage, ToolCallParams } from "./message.ts";
import { parseCallParams } from "./named_call.ts";
import type { ForwardEnding } from "./port.ts";
import { type AcceptedSession, upstreamOf } from "./sessions.ts";
import { toolCallOf } from "./tool_call.ts";
import { sendMessage, serverRequestsOf, tellUpstream } from "./upstream_request.ts";

/** Answers a governed request of the legacy era; throws `MessageError` for malformed params. */
export async function answerSessionCall(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
): Promise<Response> {
  const params = parseCallParams(message);
  const call = toolCallOf(arrival.origin, message, params);
  const claim = await SessionClaim.open(parts, arrival);
  return await answerCall(parts, arrival, message, {
    call,
    path: sessionPath(parts, arrival, message, { claim, params }),
  });
}

function sessionPath(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  { claim, params }: { readonly claim: SessionClaim; readonly params: ToolCallParams },
): CallPath {
  let session: AcceptedSession | undefined;
  const { upstream } = arrival;
  const isForAll = arrival.aggregate !== undefined;
  const ended = Promise.withResolvers<ForwardEnding>();
  return {
    accepts: (admission) => (session = claim.accept(admission)) !== undefined,
    refusal: (id) => claim.refusal(id),
    // A session of all upstreams names none: what is covered and refused may be seen there, what is not available not.
    knowsUpstream: ({ code }) => claim.knowsUpstream || (isForAll && code !== NOT_AVAILABLE),
    send: (upstream, signal) => {
      if (session === undefined) throw new TypeError("A call is sent before its session was accepted");
      const decideAgain = (inputResponses: JsonObject) =>
        decideRound(parts, arrival, message, {
          params: { ...params, inputResponses },
          ending: ended.promise,
        });
      const to = { upstream: upstreamOf(session, upstream), session };
      return sendMessage(parts, arrival, message, { ...to, decideAgain, signal });
    },
    relay: {
      hasUpstreamSession: claim.hasUpstreamSession,
      serverRequests: upstream &&
        serverRequestsOf(
          parts,
          arrival,
          upstream,
          () => session && { upstream: upstreamOf(session, upstream), session },
        ),
    },
    ended: (ending, upstream) => {
      ended.resolve(ending);
      const reason = REASONS.get(ending.code ?? "");
      if (reason === undefined || session === undefined) return;
      const params = { requestId: message.id, reason };
      const to = { upstream: upstreamOf(session, upstream), session };
      void tellUpstream(parts, arrival, to, { method: "notifications/cancelled", params });
    },
  };
}

/** Endings after which nobody waits any more, and what the upstream is told then. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ["timeout", "The gateway's time for this request is over"],
  ["cancelled", "The caller may not go on"],
]);
