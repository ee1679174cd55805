/** Every message of the modern era: checked, admitted, and led to where it is answered. */
import type { Answer } from "../answer.ts";
import {
  admit,
  type Arrival,
  type FrontParts,
  readUpstream,
  upstreamRefusalText,
  withUpstream,
} from "../arrival.ts";
import { LIST_METHODS, listFilter } from "../lists.ts";
import type { Message } from "../message.ts";
import { isGoverned } from "../named_call.ts";
import type { Admitted, Forwarded } from "../port.ts";
import { jsonText, RPC, rpcError } from "../refusals.ts";
import { type ResolvedUpstream, UpstreamFailure } from "../upstream_connection.ts";
import { relayRequest } from "../upstream_request.ts";
import { LEGACY_VERSIONS, MODERN_VERSIONS } from "../versions.ts";
import { type Discovered, discoveredUpstream, type Discovery } from "./discoveries.ts";
import { discoverResponse } from "./discover_response.ts";
import { answerListen, type Listening } from "./listen.ts";
import { sendModernList } from "./list_request.ts";
import { answerModernCall, readModernCall } from "./modern_calls.ts";
import { checkModernRequest, type ModernRequest } from "./request_headers.ts";
import { rereadAnswer, withPrivateCache, withResultType } from "./result_edits.ts";

/** Requests that are answered besides the governed ones. */
const METHODS: ReadonlySet<string> = new Set(["server/discover", "subscriptions/listen", ...LIST_METHODS]);
/** Governed in a session only. */
const SESSION_ONLY: ReadonlySet<string> = new Set(["resources/subscribe", "resources/unsubscribe"]);

/** Whether a method of this era is a call. */
export function isModernCall(method: string): boolean {
  return isGoverned(method) && !SESSION_ONLY.has(method);
}

/** Answers a message of the modern era; throws `MessageError`. */
export async function answerModern(
  parts: FrontParts,
  arrival: Arrival,
  message: Message,
): Promise<Response> {
  if (message.kind !== "request") return await refuseOneWay(parts, arrival, message.kind);
  const request = checkModernRequest(message, arrival.request.headers);
  if (request instanceof Response) return request;
  const isCall = isModernCall(message.method);
  // Read before anything is known of the upstream: what is wrong with it must not tell whether there is one.
  const isSpoken = MODERN_VERSIONS.includes(request.version);
  const call = isCall && isSpoken ? await readModernCall(parts, arrival, request) : undefined;
  // Known to be spoken: everything else about the call is decided in one go.
  const known = parts.discoveries.known(arrival.origin.upstream);
  if (call !== undefined && speaks(known, request)) {
    return await answerModernCall(parts, arrival, call, known);
  }
  const isKnown = isCall || METHODS.has(message.method);
  const admission = await admit(parts, arrival, isKnown && !isCall ? message.method : "ping", message.id);
  if (admission instanceof Response) return admission;
  const { upstream, admitted } = admission;
  try {
    const read = () => parts.discoveries.read(upstream);
    const of = { id: message.id, tenant: admitted.tenant };
    const discovery = known === undefined ? await readUpstream(parts, arrival, of, read) : await read();
    if (discovery instanceof Response) return discovery;
    if (!speaks(discovery, request)) return refuseVersion(request, discovery);
    if (call !== undefined) return await answerModernCall(parts, arrival, call, discovery);
    const over = { admitted, upstream: discoveredUpstream(upstream, discovery), discovery };
    return await withUpstream(
      parts,
      arrival,
      of,
      async () => await answerPlain(parts, arrival, request, over),
    );
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    return jsonText(upstreamRefusalText(arrival, error, message.id));
  }
}

function speaks(discovery: Discovery | undefined, { version }: ModernRequest): discovery is Discovered {
  return typeof discovery === "object" && discovery.versions.includes(version);
}

async function answerPlain(
  parts: FrontParts,
  arrival: Arrival,
  request: ModernRequest,
  of: Listening & { readonly discovery: Discovered },
): Promise<Response | Forwarded> {
  const { message } = request;
  if (message.method === "server/discover") {
    return discoverResponse(parts, message.id, { ...of, room: arrival.visit });
  }
  if (message.method === "subscriptions/listen") return await answerListen(parts, arrival, request, of);
  if (LIST_METHODS.has(message.method)) return await passList(parts, arrival, request, of);
  return rpcError(404, RPC.methodNotFound, "The method is not supported", message.id);
}

async function passList(
  parts: FrontParts,
  arrival: Arrival,
  request: ModernRequest,
  { admitted, upstream }: { readonly admitted: Admitted; readonly upstream: ResolvedUpstream },
): Promise<Forwarded> {
  const { message } = request;
  const filter = listFilter(parts, arrival, admitted, message.id);
  const edit = async (answer: Answer) => {
    const filtered = rereadAnswer(answer, await filter(answer));
    const whole = rereadAnswer(filtered, withResultType(filtered));
    return withPrivateCache(whole, admitted.expiresAt * 1000 - parts.nowMs());
  };
  const send = (signal: AbortSignal) =>
    sendModernList(parts, arrival, request, { admitted, upstream, signal });
  const options = { upstream, edit, hasUpstreamSession: false, endsWithClient: true };
  const forwarded = await relayRequest(parts, arrival, message, options, send);
  const asked = arrival.upstream;
  if (asked !== undefined) void forwarded.ending.then((how) => parts.discoveries.heard(asked, how));
  return forwarded;
}

/**
 * Clients of both eras probe with `server/discover` and fall back to `initialize` on "method not found". The code for an
 * unsupported version would tell some of them that a modern server is here, so at a legacy upstream it answers every other
 * method only.
 */
function refuseVersion({ message, version }: ModernRequest, discovery: Discovery): Response {
  const isKnownVersion = MODERN_VERSIONS.includes(version);
  if (discovery === "legacy" && message.method === "server/discover" && isKnownVersion) {
    return rpcError(200, RPC.methodNotFound, "The method is not supported", message.id);
  }
  const supported = discovery === "legacy" ? LEGACY_VERSIONS : discovery.versions;
  const data = { supported, requested: version };
  return rpcError(400, RPC.unsupportedVersion, "The protocol version is not supported", message.id, data);
}

/** Over HTTP, clients of this era send requests only: closing a stream says what `notifications/cancelled` said. */
export async function refuseOneWay(parts: FrontParts, arrival: Arrival, kind: string): Promise<Response> {
  const admission = await admit(parts, arrival, "ping", null);
  if (admission instanceof Response) return admission;
  const code = kind === "response" ? RPC.invalidRequest : RPC.methodNotFound;
  return rpcError(400, code, `Expected a request, got a ${kind}`);
}
