/** GET and DELETE: the stream and the end of a legacy session. */
import { ALL_UPSTREAMS } from "../core/call.ts";
import { readShownUri } from "./aggregate/aggregate_names.ts";
import {
  admit,
  type Arrival,
  type FrontParts,
  isStillAdmitted,
  notificationListener,
  SessionClaim,
  upstreamRefusalText,
  withUpstream,
} from "./arrival.ts";
import { type Answer, readIncoming, reread } from "./answer.ts";
import { parseLinkEventId } from "./link_event_id.ts";
import { hidesUpdates, listFilter } from "./lists.ts";
import type { Admitted } from "./port.ts";
import { jsonText, methodNotAllowed, RPC, rpcError, sessionNotFound } from "./refusals.ts";
import { relayStream } from "./relay.ts";
import { acceptedTypes } from "./request_gate.ts";
import { resumedEdit } from "./result_check.ts";
import { upstreamOf } from "./sessions.ts";
import { type Exchange, exchangeWith, UpstreamFailure } from "./upstream_connection.ts";
import { type Destination, serverRequestsOf } from "./upstream_request.ts";

/**
 * A stream is closed after this time whatever happens; clients open another one. A token that is revoked or stopped loses
 * its streams at once, and an expired one when it expires.
 */
export const MAX_STREAM_MS = 60 * 60 * 1000;

const TOOLS_CHANGED = JSON.stringify({ jsonrpc: "2.0", method: "notifications/tools/list_changed" });

/** Answers GET: the session's own stream of the upstream, or 405 when it has none. */
export async function answerGet(parts: FrontParts, arrival: Arrival): Promise<Response> {
  if (!acceptedTypes(arrival.request).has("text/event-stream")) {
    return rpcError(406, RPC.badRequest, "Accept must list text/event-stream");
  }
  const lastEventId = arrival.request.headers.get("last-event-id");
  return await inSession(parts, arrival, "session/get", async (to, admitted) => {
    const isOfAnswer = to.upstream.serve !== undefined &&
      parseLinkEventId(lastEventId)?.upstream !== undefined;
    const leave = arrival.visit.openStream();
    let exchange: Exchange;
    try {
      exchange = await sendInSession(parts, arrival, to, "GET");
    } catch (error) {
      leave();
      throw error;
    }
    if (exchange.status !== 200 || exchange.contentType !== "text/event-stream") {
      leave();
      if (exchange.status === 400 && lastEventId !== null) return await cannotResume(exchange);
      return await refusedByUpstream(exchange, "POST, DELETE");
    }
    exchange.extendDeadline(Math.min(MAX_STREAM_MS, Math.max(0, admitted.expiresAt * 1000 - parts.nowMs())));
    return relayStream(exchange, {
      maxEventLength: to.upstream.max_response_bytes,
      ...{ openStreams: parts.openStreams, room: arrival.visit, onEnd: leave },
      // A resumed answer may be one to a list.
      edit: resumedEdit(arrival, to.upstream, shown(arrival, resumedList(parts, arrival, admitted))),
      onNotification: notificationListener(parts, arrival),
      serverRequests: serverRequestsOf(parts, arrival, to.upstream, () => to),
      control: {
        upstream: to.upstream.name,
        rechecksBefore: arrival.rechecksBefore,
        lists: (tools) => admitted.lists(tools),
        mayStay: () => isStillAdmitted(parts, arrival, "session/get"),
      },
      // Changes are announced on the session's own stream, and on one only.
      toolsChanged: isOfAnswer ? undefined : TOOLS_CHANGED,
      hides: hidesUpdates(
        admitted,
        to.upstream.name,
        arrival.origin.upstream === ALL_UPSTREAMS ? readShownUri : undefined,
      ),
    });
  });
}

/** A filter that fails must end the waiting of the very request that was answered. */
function resumedList(parts: FrontParts, arrival: Arrival, admitted: Admitted) {
  return (answer: Answer) => {
    const incoming = readIncoming(answer.text);
    const id = incoming.kind === "answer" ? incoming.id : null;
    const known = typeof id === "string" || typeof id === "number" ? id : null;
    return listFilter(parts, arrival, admitted, known)(answer);
  };
}

/** An answer is shown as the endpoint that was asked shows it. */
function shown({ aggregate }: Arrival, edit: (answer: Answer) => Promise<string>) {
  if (aggregate === undefined) return edit;
  return async (answer: Answer) => aggregate.show(reread(answer, await edit(answer)));
}

/** Answers DELETE: ends the upstream's session, or 405 when it has none. */
export async function answerDelete(parts: FrontParts, arrival: Arrival): Promise<Response> {
  return await inSession(parts, arrival, "session/delete", async (to) => {
    const exchange = await sendInSession(parts, arrival, to, "DELETE");
    if (exchange.status < 200 || exchange.status > 299) return await refusedByUpstream(exchange, "POST, GET");
    await exchange.drain();
    return new Response(null, { status: 200 });
  });
}

async function inSession(
  parts: FrontParts,
  arrival: Arrival,
  method: string,
  answer: (to: Destination, admitted: Admitted) => Promise<Response>,
): Promise<Response> {
  const admission = await admit(parts, arrival, method, null);
  if (admission instanceof Response) return admission;
  const { admitted, upstream } = admission;
  const claim = await SessionClaim.open(parts, arrival);
  if (!claim.hasId) return methodNotAllowed("POST");
  const session = claim.accept(admitted);
  if (session === undefined) return claim.refusal(null);
  if (session.upstreamSessionId === undefined) return methodNotAllowed("POST");
  try {
    const to = { id: null, tenant: admitted.tenant };
    return await withUpstream(
      parts,
      arrival,
      to,
      () => answer({ upstream: upstreamOf(session, upstream), session }, admitted),
    );
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    return badGateway(arrival, error);
  }
}

function sendInSession(
  parts: FrontParts,
  arrival: Arrival,
  to: Destination,
  method: "GET" | "DELETE",
): Promise<Exchange> {
  return exchangeWith(to.upstream, {
    method,
    agentHeaders: arrival.request.headers,
    sessionId: to.session.upstreamSessionId,
    protocolVersion: arrival.protocolVersion,
    isLongLived: method === "GET",
    caller: to.session,
  }, parts);
}

/** A client that is told so begins the request anew, or does without. */
async function cannotResume(exchange: Exchange): Promise<Response> {
  await exchange.drain();
  return rpcError(400, RPC.badRequest, "The event of Last-Event-ID is not known any more");
}

async function refusedByUpstream(exchange: Exchange, allow: string): Promise<Response> {
  if (exchange.status === 405) {
    await exchange.drain();
    return methodNotAllowed(allow);
  }
  if (exchange.status === 404) {
    await exchange.drain();
    return sessionNotFound(null);
  }
  // An upstream that has one stream for a session says so of a second one.
  if (exchange.status === 409) {
    await exchange.drain();
    return rpcError(409, RPC.badRequest, "The session has another stream");
  }
  throw exchange.fail("upstream_failed", exchange.status < 300 ? "not_mcp" : `http_${exchange.status}`);
}

function badGateway(arrival: Arrival, failure: UpstreamFailure): Response {
  return jsonText(upstreamRefusalText(arrival, failure, null), 502);
}
