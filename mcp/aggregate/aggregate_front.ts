/**
 * The aggregate endpoint `/mcp`: all upstreams that the token allows, on one URL. Sessions, streams and what only carries
 * them go to the links of all upstreams together; a call goes to the one upstream that its name says, and is decided there.
 */
import { answerJson } from "../answer_body.ts";
import { admit, type Arrival, type FrontParts, mayUse, SessionClaim, withUpstream } from "../arrival.ts";
import { parseLinkEventId } from "../link_event_id.ts";
import { LIST_METHODS } from "../lists.ts";
import type { Message, RequestMessage } from "../message.ts";
import { discoverResponse } from "../modern/discover_response.ts";
import type { Discovered } from "../modern/discoveries.ts";
import { answerListen } from "../modern/listen.ts";
import { isModernCall, refuseOneWay } from "../modern/messages.ts";
import { sendModernList } from "../modern/list_request.ts";
import { answerModernCall, readModernCall } from "../modern/modern_calls.ts";
import { checkModernRequest, type ModernRequest } from "../modern/request_headers.ts";
import { isGoverned } from "../named_call.ts";
import type { Admitted } from "../port.ts";
import { RPC, rpcError } from "../refusals.ts";
import { answerSessionCall } from "../session_calls.ts";
import { answerSessionMessage } from "../session_messages.ts";
import type { ResolvedUpstream } from "../upstream_connection.ts";
import { sendMessage } from "../upstream_request.ts";
import { MODERN_VERSIONS } from "../versions.ts";
import { AGGREGATE_CAPABILITIES, AGGREGATE_SERVER_INFO } from "./aggregate_info.ts";
import { readShownUri, type UpstreamName } from "./aggregate_names.ts";
import { type AggregatePage, type AskForPage, listPage } from "./aggregate_lists.ts";
import { upstreamMessage } from "./aggregate_request.ts";
import { withShownUris } from "./shown_texts.ts";

const UPSTREAM_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;

const DISCOVERED: Discovered = {
  versions: MODERN_VERSIONS,
  capabilities: AGGREGATE_CAPABILITIES,
  serverInfo: AGGREGATE_SERVER_INFO,
};

/** The upstreams that stand behind the endpoint, each as its links serve it. */
export type AggregateUpstreams = ReadonlyMap<string, ResolvedUpstream>;

/** Answers a message of the legacy era. */
export async function answerAggregateSession(
  parts: FrontParts,
  arrival: Arrival,
  message: Message,
  upstreams: AggregateUpstreams,
): Promise<Response> {
  if (message.kind !== "request") return await answerSessionMessage(parts, arrival, message);
  if (isGoverned(message.method)) {
    const at = placeOf(arrival, message, upstreams);
    return await answerSessionCall(parts, at.arrival, at.message);
  }
  if (!LIST_METHODS.has(message.method)) return await answerSessionMessage(parts, arrival, message);
  const admission = await admit(parts, arrival, message.method, message.id);
  if (admission instanceof Response) return admission;
  const { admitted } = admission;
  const claim = await SessionClaim.open(parts, arrival);
  const session = claim.accept(admitted);
  if (session === undefined) return claim.refusal(message.id);
  const ask: AskForPage = (upstream, at, asked) => sendMessage(parts, at, asked, { upstream, session });
  return await answerList(parts, arrival, message, { admitted, upstreams, ask });
}

/** Answers a message of the modern era. */
export async function answerAggregateModern(
  parts: FrontParts,
  arrival: Arrival,
  message: Message,
  upstreams: AggregateUpstreams,
): Promise<Response> {
  if (message.kind !== "request") return await refuseOneWay(parts, arrival, message.kind);
  const request = checkModernRequest(message, arrival.request.headers);
  if (request instanceof Response) return request;
  if (!MODERN_VERSIONS.includes(request.version)) return await refuseVersion(parts, arrival, request);
  if (isModernCall(message.method)) {
    const at = placeOf(arrival, message, upstreams);
    const call = await readModernCall(parts, at.arrival, { ...request, message: at.message });
    return await answerModernCall(parts, at.arrival, call, DISCOVERED);
  }
  const isListed = LIST_METHODS.has(message.method) || OWN_METHODS.has(message.method);
  const admission = await admit(parts, arrival, isListed ? message.method : "ping", message.id);
  if (admission instanceof Response) return admission;
  const { admitted, upstream } = admission;
  switch (message.method) {
    case "server/discover":
      return discoverResponse(parts, message.id, { admitted, discovery: DISCOVERED, room: arrival.visit });
    case "subscriptions/listen":
      return await withUpstream(
        parts,
        arrival,
        { id: message.id, tenant: admitted.tenant },
        () => answerListen(parts, arrival, request, { admitted, upstream, resourceOf }),
      );
    default:
      if (!isListed) return rpcError(404, RPC.methodNotFound, "The method is not supported", message.id);
      return await answerList(parts, arrival, message, {
        ...{ admitted, upstreams, isModern: true },
        ask: (upstream, at, asked) =>
          sendModernList(parts, at, { ...request, message: asked }, { admitted, upstream }),
      });
  }
}

/** Where a GET goes: whoever comes back for the rest of an answer asks the upstream that gives it. */
export function placeOfStream(arrival: Arrival, upstreams: AggregateUpstreams): Arrival {
  const name = parseLinkEventId(arrival.request.headers.get("last-event-id"))?.upstream;
  return name === undefined ? arrival : arrivalAt(arrival, name, upstreams.get(name));
}

/** What cannot be an upstream's name stays out of events. */
function resourceOf(uri: string): UpstreamName | undefined {
  const of = readShownUri(uri);
  return of !== undefined && UPSTREAM_NAME.test(of.upstream) ? of : undefined;
}

const OWN_METHODS: ReadonlySet<string> = new Set(["server/discover", "subscriptions/listen"]);

async function refuseVersion(
  parts: FrontParts,
  arrival: Arrival,
  { message, version }: ModernRequest,
): Promise<Response> {
  const admission = await admit(parts, arrival, "ping", message.id);
  if (admission instanceof Response) return admission;
  const data = { supported: MODERN_VERSIONS, requested: version };
  return rpcError(400, RPC.unsupportedVersion, "The protocol version is not supported", message.id, data);
}

/** The request at the upstream that it names; at none for a name that no upstream has, which is refused like any other. */
function placeOf(
  arrival: Arrival,
  message: RequestMessage,
  upstreams: AggregateUpstreams,
): { readonly arrival: Arrival; readonly message: RequestMessage } {
  const named = upstreamMessage(message);
  if (named === undefined || !UPSTREAM_NAME.test(named.upstream)) {
    return { arrival: arrivalAt(arrival, "-", undefined), message };
  }
  const { upstream } = named;
  return { arrival: arrivalAt(arrival, upstream, upstreams.get(upstream)), message: named.message };
}

function arrivalAt(arrival: Arrival, name: string, upstream: ResolvedUpstream | undefined): Arrival {
  return {
    ...arrival,
    upstream,
    origin: { ...arrival.origin, upstream: name },
    aggregate: { show: (answer) => withShownUris(answer, name) },
  };
}

interface Listing {
  readonly admitted: Admitted;
  readonly upstreams: AggregateUpstreams;
  readonly ask: AskForPage;
  readonly isModern?: true;
}

async function answerList(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  { admitted, upstreams, ask, isModern }: Listing,
): Promise<Response> {
  arrival.visit.decided();
  const page = await listPage(parts, message, {
    ...{ admitted, ask },
    upstreams: [...upstreams.values()].filter((upstream) => mayUse(upstream, admitted)),
    arrivalAt: (upstream) => arrivalAt(arrival, upstream.name, upstream),
  });
  return answerJson(listText(message, page, isModern), arrival.visit);
}

function listText(
  { id }: RequestMessage,
  { member, items, nextCursor }: AggregatePage,
  isModern?: true,
): string {
  const cursor = nextCursor === undefined ? "" : `,"nextCursor":${JSON.stringify(nextCursor)}`;
  const modern = isModern === true ? `,"resultType":"complete","ttlMs":0,"cacheScope":"private"` : "";
  const result = `{${JSON.stringify(member)}:[${items.join(",")}]${cursor}${modern}}`;
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`;
}
