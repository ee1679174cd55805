/** One request of a client, sent on in the client's session with exactly the bytes that were checked. */
import type { Answer } from "./answer.ts";
import { type Arrival, type FrontParts, notificationListener, upstreamRefusalText } from "./arrival.ts";
import type { RequestMessage } from "./message.ts";
import type { Forwarded } from "./port.ts";
import { relayAnswer, type RelayPlan } from "./relay.ts";
import type { Session } from "./sessions.ts";
import { type Exchange, exchangeWith, type ResolvedUpstream } from "./upstream_connection.ts";

/** Where a request goes. */
export interface Destination {
  readonly upstream: ResolvedUpstream;
  readonly session: Session;
}

/** Forwards a request and relays its answer through `edit`; never throws. */
export async function relayRequest(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  to: Destination & { readonly edit: (answer: Answer) => string | Promise<string> },
): Promise<Forwarded> {
  const plan: RelayPlan = {
    id: message.id,
    maxEventLength: to.upstream.max_response_bytes,
    hasUpstreamSession: to.session.upstreamSessionId !== undefined,
    edit: to.edit,
    failed: (failure) => upstreamRefusalText(arrival, failure, message.id),
    onNotification: notificationListener(parts, arrival),
  };
  return await relayAnswer(sendMessage(parts, arrival, message, to), plan, parts.nowMs);
}

/** Sends a message in the upstream's session, as the bytes that came. */
export function sendMessage(
  parts: FrontParts,
  arrival: Arrival,
  message: { readonly bytes: Uint8Array<ArrayBuffer> },
  to: Destination,
): Promise<Exchange> {
  return exchangeWith(to.upstream, {
    method: "POST",
    body: message.bytes,
    agentHeaders: arrival.request.headers,
    sessionId: to.session.upstreamSessionId,
    protocolVersion: arrival.protocolVersion,
  }, parts);
}
