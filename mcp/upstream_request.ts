/** One request of a client, sent on with exactly the bytes that were checked. */
import type { JsonObject } from "../core/json.ts";
import type { Answer } from "./answer.ts";
import {
  type Arrival,
  type FrontParts,
  mayGoOn,
  notificationListener,
  upstreamRefusalText,
} from "./arrival.ts";
import type { Caller } from "./linked_request.ts";
import { hidesOnAnswer } from "./lists.ts";
import type { RequestMessage } from "./message.ts";
import type { Forwarded } from "./port.ts";
import { RPC } from "./refusals.ts";
import { relayAnswer, type RelayPlan } from "./relay.ts";
import { ServerRequestRelay } from "./server_requests.ts";
import type { AcceptedSession } from "./sessions.ts";
import { streamedWhenSlow } from "./slow_answer.ts";
import { type Exchange, exchangeWith, type ResolvedUpstream } from "./upstream_connection.ts";

/** How soon a client that leaves must be noticed, where its leaving ends the call, milliseconds. */
const LEAVING_AFTER_MS = 1_000;
/** How long nothing may come to any client, milliseconds. */
const SILENT_AFTER_MS = 15_000;

/** Where a request of a session goes. */
export interface Destination {
  readonly upstream: ResolvedUpstream;
  readonly session: AcceptedSession;
}

/** What is done with a request besides sending it. */
export interface RelayOptions extends Pick<RelayPlan, "edit" | "serverRequests" | "endsWithClient"> {
  readonly upstream: ResolvedUpstream;
  readonly hasUpstreamSession: boolean;
}

/**
 * Sends a request and relays its answer; never throws. The request ends with `signal`: when its token is revoked or stopped,
 * and where `endsWithClient` says so, when the client leaves.
 */
export function relayRequest(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  { upstream, ...options }: RelayOptions,
  send: (signal: AbortSignal) => Promise<Exchange>,
): Promise<Forwarded> {
  const stop = new AbortController();
  if (options.endsWithClient === true) endWith(arrival.request.signal, stop);
  const plan: RelayPlan = {
    ...options,
    id: message.id,
    room: arrival.visit,
    maxEventLength: upstream.max_response_bytes,
    failed: (failure) => upstreamRefusalText(arrival, failure, message.id),
    onNotification: notificationListener(parts, arrival),
    hides: hidesOnAnswer(parts, arrival),
    // Of the eras, only the modern one has a request end with its client.
    isOfSession: options.endsWithClient !== true,
  };
  const relayed = relayAnswer(send(stop.signal), plan, parts.nowMs);
  parts.rechecks.add(stop, () => mayGoOn(parts, arrival), arrival.rechecksBefore);
  void relayed.then(({ ending }) => ending).then(() => parts.rechecks.delete(stop));
  const afterMs = options.endsWithClient === true ? LEAVING_AFTER_MS : SILENT_AFTER_MS;
  return streamedWhenSlow(relayed, afterMs, arrival.visit);
}

function endWith(client: AbortSignal, stop: AbortController): void {
  if (client.aborted) stop.abort();
  client.addEventListener("abort", () => stop.abort(), { once: true });
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
  const serverRequests = serverRequestsOf(parts, arrival, upstream, () => to);
  const options = { upstream, edit, hasUpstreamSession, serverRequests };
  return relayRequest(
    parts,
    arrival,
    message,
    options,
    (signal) => sendMessage(parts, arrival, message, { ...to, signal }),
  );
}

/** The requests of the upstream that may reach the client of this session; the upstream is told which do not. */
export function serverRequestsOf(
  parts: FrontParts,
  arrival: Arrival,
  upstream: ResolvedUpstream,
  from: () => Destination | undefined,
): ServerRequestRelay {
  const sessionId = arrival.request.headers.get("mcp-session-id") ?? "";
  return new ServerRequestRelay(parts.serverRequestIds, sessionId, {
    allowed: upstream.client_requests,
    refuse: async (id) => {
      const to = from();
      if (to !== undefined) await tellUpstream(parts, arrival, to, { id, error: NOT_FOUND });
    },
  });
}

const NOT_FOUND = { code: RPC.methodNotFound, message: "Method not found" };

/** Tells the upstream something in its session; whether that arrives does not matter. */
export async function tellUpstream(
  parts: FrontParts,
  arrival: Arrival,
  { upstream, session }: Destination,
  message: JsonObject,
): Promise<void> {
  try {
    const exchange = await exchangeWith(upstream, {
      method: "POST",
      body: new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", ...message })),
      sessionId: session.upstreamSessionId,
      protocolVersion: arrival.protocolVersion,
      caller: session,
    }, parts);
    await exchange.drain();
  } catch {
    // What it was about ends without it.
  }
}

/** Sends a message in the upstream's session, as the bytes that came. */
export function sendMessage(
  parts: FrontParts,
  arrival: Arrival,
  message: { readonly bytes: Uint8Array<ArrayBuffer> },
  to: Destination & { readonly decideAgain?: Caller["decideAgain"]; readonly signal?: AbortSignal },
): Promise<Exchange> {
  const { tenant, blockIds } = to.session;
  return exchangeWith(to.upstream, {
    method: "POST",
    body: message.bytes,
    agentHeaders: arrival.request.headers,
    sessionId: to.session.upstreamSessionId,
    protocolVersion: arrival.protocolVersion,
    signal: to.signal,
    caller: { tenant, blockIds, decideAgain: to.decideAgain },
  }, parts);
}
