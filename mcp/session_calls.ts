/** Governed requests of a legacy session. */
import { type Arrival, type FrontParts, SessionClaim } from "./arrival.ts";
import { answerCall, type CallPath } from "./calls.ts";
import type { RequestMessage } from "./message.ts";
import { parseCallParams } from "./named_call.ts";
import type { Session } from "./sessions.ts";
import { toolCallOf } from "./tool_call.ts";
import { exchangeWith, type ResolvedUpstream } from "./upstream_connection.ts";
import { sendMessage, serverRequestsOf } from "./upstream_request.ts";

/** Answers a governed request of the legacy era; throws `MessageError` for malformed params. */
export async function answerSessionCall(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
): Promise<Response> {
  const call = toolCallOf(arrival.origin, message, parseCallParams(message));
  const claim = await SessionClaim.open(parts, arrival);
  return await answerCall(parts, arrival, message, {
    call,
    path: sessionPath(parts, arrival, message, claim),
  });
}

function sessionPath(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  claim: SessionClaim,
): CallPath {
  let session: Session | undefined;
  const { upstream } = arrival;
  return {
    accepts: (admission) => (session = claim.accept(admission)) !== undefined,
    refusal: (id) => claim.refusal(id),
    knowsUpstream: claim.knowsUpstream,
    send: (upstream) => {
      if (session === undefined) throw new TypeError("A call is sent before its session was accepted");
      return sendMessage(parts, arrival, message, { upstream, session });
    },
    relay: {
      hasUpstreamSession: claim.hasUpstreamSession,
      serverRequests: upstream === undefined ? undefined : serverRequestsOf(parts, arrival, upstream),
    },
    ended: (ending, upstream) => {
      if (ending.code === "timeout" && session !== undefined) {
        void takeBack(parts, arrival, message, { upstream, session });
      }
    },
  };
}

/** Tells the upstream that nobody waits any more; whether that arrives does not matter. */
async function takeBack(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  { upstream, session }: { readonly upstream: ResolvedUpstream; readonly session: Session },
): Promise<void> {
  const params = { requestId: message.id, reason: "The gateway's time for this request is over" };
  const body = JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params });
  try {
    const exchange = await exchangeWith(upstream, {
      method: "POST",
      body: new TextEncoder().encode(body),
      sessionId: session.upstreamSessionId,
      protocolVersion: arrival.protocolVersion,
    }, parts);
    await exchange.drain();
  } catch {
    // The call has ended without it.
  }
}
