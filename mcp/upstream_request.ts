/** One request of a client, sent on with exactly the bytes that were checked. */
import type { Answer } from "./answer.ts";
import { type Arrival, type FrontParts, notificationListener, upstreamRefusalText } from "./arrival.ts";
import type { Caller } from "./linked_request.ts";
import type { RequestMessage } from "./message.ts";
import type { Forwarded } from "./port.ts";
import { relayAnswer, type RelayPlan } from "./relay.ts";
import { ServerRequestRelay } from "./server_requests.ts";
import type { Session } from "./sessions.ts";
import { streamedWhenSlow } from "./slow_answer.ts";
import { type Exchange, exchangeWith, type ResolvedUpstream } from "./upstream_connection.ts";

/** How soon a client that leaves must be noticed, where its leaving ends the call, milliseconds. */
const LEAVING_AFTER_MS = 1_000;
/** How long nothing may come to any client, milliseconds. */
const SILENT_AFTER_MS = 15_000;

/** Where a request of a session goes. */
export interface Destination {
  readonly upstream: ResolvedUpstream;
  readonly session: Session;
}

/** What is done with a request besides sending it. */
export interface RelayOptions extends Pick<RelayPlan, "edit" | "serverRequests" | "endsWithClient"> {
  readonly upstream: ResolvedUpstream;
  readonly hasUpstreamSession: boolean;
}

/** Relays the answer to a request that was sent; never throws. */
export function relayRequest(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  { upstream, ...options }: RelayOptions,
  sending: Promise<Exchange>,
): Promise<Forwarded> {
  const plan: RelayPlan = {
    ...options,
    id: message.id,
    maxEventLength: upstream.max_response_bytes,
    failed: (failure) => upstreamRefusalText(arrival, failure, message.id),
    onNotification: notificationListener(parts, arrival),
  };
  const relayed = relayAnswer(sending, plan, parts.nowMs);
  return streamedWhenSlow(relayed, options.endsWithClient === true ? LEAVING_AFTER_MS : SILENT_AFTER_MS);
}

/** Forwards a request in its session and relays the answer through `edit`; never throws. */
export function relayInSession(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  to: Destination & { readonly edit: (answer: Answer) => string | Promise<string> },
): Promise<Forwarded> {
  const { upstream, session, edit } = to;
  const hasUpstreamSession = session.upstreamSessionId !== undefined;
  const serverRequests = serverRequestsOf(parts, arrival, upstream);
  const options = { upstream, edit, hasUpstreamSession, serverRequests };
  return relayRequest(parts, arrival, message, options, sendMessage(parts, arrival, message, to));
}

/** The requests of the upstream that may reach the client of this session. */
export function serverRequestsOf(
  parts: FrontParts,
  arrival: Arrival,
  upstream: ResolvedUpstream,
): ServerRequestRelay {
  const sessionId = arrival.request.headers.get("mcp-session-id") ?? "";
  return new ServerRequestRelay(parts.serverRequestIds, sessionId, upstream.client_requests);
}

/** Sends a message in the upstream's session, as the bytes that came. */
export function sendMessage(
  parts: FrontParts,
  arrival: Arrival,
  message: { readonly bytes: Uint8Array<ArrayBuffer> },
  to: Destination & { readonly decideAgain?: Caller["decideAgain"] },
): Promise<Exchange> {
  const { tenant, rootBlockId } = to.session;
  return exchangeWith(to.upstream, {
    method: "POST",
    body: message.bytes,
    agentHeaders: arrival.request.headers,
    sessionId: to.session.upstreamSessionId,
    protocolVersion: arrival.protocolVersion,
    caller: { tenant, rootBlockId, decideAgain: to.decideAgain },
  }, parts);
}
