/** Messages of a legacy session that are no calls. What is not listed here is refused. */
import { memberSpans, withSpan } from "../core/strict_json_spans.ts";
import type { Answer } from "./answer.ts";
import {
  admit,
  type Arrival,
  type FrontParts,
  SessionClaim,
  upstreamRefusalText,
  withUpstream,
} from "./arrival.ts";
import { answerInitialize } from "./initialize.ts";
import { LIST_METHODS, listFilter } from "./lists.ts";
import type { Message, NotificationMessage, RequestMessage, ResponseMessage } from "./message.ts";
import type { Admitted, Forwarded } from "./port.ts";
import { jsonText, RPC, rpcError, sessionNotFound } from "./refusals.ts";
import { upstreamOf } from "./sessions.ts";
import { UpstreamFailure } from "./upstream_connection.ts";
import { type Destination, relayInSession, sendMessage } from "./upstream_request.ts";

/** Requests that go on as they are and whose answers come back as they are. */
const PLAIN_REQUESTS: ReadonlySet<string> = new Set(["ping", "logging/setLevel"]);

/** What a client may tell the upstream. */
const NOTIFICATIONS: ReadonlySet<string> = new Set([
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
  "notifications/roots/list_changed",
]);

/** Answers every message of the legacy era but the governed requests. */
export async function answerSessionMessage(
  parts: FrontParts,
  arrival: Arrival,
  message: Message,
): Promise<Response> {
  const id = message.kind === "request" ? message.id : null;
  const method = message.kind === "response" ? "session/response" : message.method;
  const isInitialize = message.kind === "request" && method === "initialize";
  // Who asks for what nobody answers is only authenticated: no token covers it, and that is not the reason.
  const admission = await admit(parts, arrival, isInitialize || isListed(message) ? method : "ping", id);
  if (admission instanceof Response) return admission;
  const { admitted, upstream } = admission;
  const of = { id, tenant: admitted.tenant };
  if (isInitialize) {
    return await withUpstream(parts, arrival, of, () => answerInitialize(parts, arrival, message, admission));
  }
  if (!isListed(message)) return methodNotFound(message);
  const claim = await SessionClaim.open(parts, arrival);
  const session = claim.accept(admitted);
  if (session === undefined) return claim.refusal(id);
  const to = { upstream: upstreamOf(session, upstream), session };
  return await withUpstream(parts, arrival, of, async () => {
    if (message.kind === "request") return await passRequest(parts, arrival, message, { to, admitted });
    if (message.kind === "notification") return await passOneWay(parts, arrival, message, to);
    return await passResponse(parts, arrival, message, to);
  });
}

function isListed(message: Message): boolean {
  if (message.kind === "response") return true;
  if (message.kind === "notification") return NOTIFICATIONS.has(message.method);
  return PLAIN_REQUESTS.has(message.method) || LIST_METHODS.has(message.method);
}

async function passRequest(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  { to, admitted }: { readonly to: Destination; readonly admitted: Admitted },
): Promise<Forwarded> {
  const edit = LIST_METHODS.has(message.method)
    ? listFilter(parts, arrival, admitted, message.id)
    : (answer: Answer) => answer.text;
  return await relayInSession(parts, arrival, message, { ...to, edit });
}

/** An answer of the client goes on only when its request was sent to this very session. */
async function passResponse(
  parts: FrontParts,
  arrival: Arrival,
  message: ResponseMessage,
  to: Destination,
): Promise<Response> {
  const sessionId = arrival.request.headers.get("mcp-session-id") ?? "";
  const id = await parts.serverRequestIds.unwrap(message.id, sessionId);
  if (id === undefined) return rpcError(400, RPC.invalidRequest, "No request of the server is open");
  const text = new TextDecoder().decode(message.bytes);
  const span = memberSpans(text).get("id");
  if (span === undefined) throw new TypeError("A response without an id has been unwrapped");
  const bytes = new TextEncoder().encode(withSpan(text, span, JSON.stringify(id)));
  return await passOneWay(parts, arrival, { bytes }, to);
}

function methodNotFound(message: Message): Response {
  if (message.kind === "request") {
    return rpcError(200, RPC.methodNotFound, "The method is not supported", message.id);
  }
  return rpcError(400, RPC.methodNotFound, "The notification is not supported");
}

/** Sends what has no answer. */
async function passOneWay(
  parts: FrontParts,
  arrival: Arrival,
  message: Pick<NotificationMessage, "bytes">,
  to: Destination,
): Promise<Response> {
  try {
    const exchange = await sendMessage(parts, arrival, message, to);
    // The status says all: what else comes, if the upstream makes it a stream, nobody waits for.
    void exchange.drain();
    if (exchange.status < 300) return new Response(null, { status: 202 });
    if (exchange.status === 404) return sessionNotFound(null);
    throw new UpstreamFailure("upstream_failed", `http_${exchange.status}`, exchange.status);
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    return jsonText(upstreamRefusalText(arrival, error, null), 502);
  }
}
