/** One HTTP request on its way through the front, and the parts that serve it. */
import { ALL_UPSTREAMS } from "../core/call.ts";
import type { Visit } from "./admission.ts";
import type { AggregateCursors } from "./aggregate/aggregate_cursors.ts";
import type { Answer } from "./answer.ts";
import { type CallOrigin, unnamedCall } from "./tool_call.ts";
import { NOT_AVAILABLE, NOT_AVAILABLE_REASON } from "../core/refusal_codes.ts";
import type { Catalogue } from "./catalogue.ts";
import type { Admission, Admitted, CallGateway, Forwarded, Refusal } from "./port.ts";
import {
  jsonText,
  type MessageId,
  refusalMessage,
  refusalResponse,
  type RefusalStyle,
  RPC,
  rpcError,
  sessionNotFound,
} from "./refusals.ts";
import type { Discoveries } from "./modern/discoveries.ts";
import type { RequestStates } from "./modern/request_state.ts";
import type { OpenStreams } from "./open_streams.ts";
import { metadataUrl, type ResourceRules } from "./protected_resource.ts";
import type { Rechecks } from "./rechecks.ts";
import type { ServerRequestIds } from "./server_requests.ts";
import { type AcceptedSession, isOwnSession, type Session, type Sessions } from "./sessions.ts";
import type { UpstreamLoads, UpstreamRefusal } from "./upstream_load.ts";
import type { ExchangeClock, ResolvedUpstream, UpstreamFailure } from "./upstream_connection.ts";
import { MODERN_VERSIONS } from "./versions.ts";

/** A structured result that does not fit the tool's output schema; `what` names places and keywords. */
export interface UnfitResult {
  readonly upstream: string;
  readonly tool: string;
  readonly decisionId: string;
  readonly isBlocked: boolean;
  readonly what: string;
}

/** What the front is made of. */
export interface FrontParts extends ExchangeClock {
  /** Called with a structured result that does not fit its schema. */
  readonly onResultUnfit?: ((unfit: UnfitResult) => void) | undefined;
  readonly loads: UpstreamLoads;
  readonly gateway: CallGateway;
  readonly sessions: Sessions;
  readonly catalogue: Catalogue;
  /** The open streams of clients, to be closed on shutdown. */
  readonly openStreams: OpenStreams;
  /** What ends when its token no longer counts: open streams, and requests whose answer is on its way. */
  readonly rechecks: Rechecks;
  readonly serverRequestIds: ServerRequestIds;
  readonly listCursors: AggregateCursors;
  readonly requestStates: RequestStates;
  readonly discoveries: Discoveries;
  readonly resourceRules: ResourceRules;
  /** The same request again, as a call of its own: who has a stream is asked for its token anew. */
  readonly renew: (origin: CallOrigin) => CallOrigin;
  /** Most seconds that a session id stays valid. */
  readonly sessionLifetimeSeconds: number;
}

/** One request, with everything about it that does not depend on its body. */
export interface Arrival {
  readonly request: Request;
  readonly origin: CallOrigin;
  /** `undefined` for a name that is not configured; the caller must not notice before it is authenticated. */
  readonly upstream: ResolvedUpstream | undefined;
  readonly credential: string | undefined;
  /** The place that the request holds. */
  readonly visit: Visit;
  /** `Rechecks.count` when it came. */
  readonly rechecksBefore: number;
  /** The MCP-Protocol-Version header, when there is one. */
  readonly protocolVersion: string | undefined;
  /** Present at the aggregate endpoint, whose sessions are for all upstreams. */
  readonly aggregate?: AggregateView;
}

/** How a request to one upstream shows that it came to the endpoint of all. */
export interface AggregateView {
  /** The answer's text with resources under the names that they have there. */
  readonly show: (answer: Answer) => string;
}

/** Authenticates a request that names no tool, for an upstream that its tenant may use. */
export async function admit(
  parts: FrontParts,
  arrival: Arrival,
  method: string,
  id: MessageId | null,
): Promise<{ readonly admitted: Admitted; readonly upstream: ResolvedUpstream } | Response> {
  const answer = await parts.gateway.admit(unnamedCall(arrival.origin, method), arrival.credential);
  const how = refusalStyle(parts, arrival);
  if (answer.kind === "refused") return refusalResponse(answer.refusal, id, how);
  const { upstream } = arrival;
  if (upstream === undefined || !mayUse(upstream, answer)) {
    return refusalResponse(notAvailable(arrival), id, how);
  }
  arrival.visit.isOf(answer.tenant);
  return { admitted: answer, upstream };
}

/** How this caller is told of a refusal; by default as a JSON-RPC error. */
export function refusalStyle(
  parts: FrontParts,
  { request, credential, protocolVersion }: Arrival,
  style: RefusalStyle["style"] = "error",
): RefusalStyle {
  return {
    hasCredential: credential !== undefined,
    style,
    isModern: protocolVersion !== undefined && MODERN_VERSIONS.includes(protocolVersion),
    metadataUrl: metadataUrl(request, parts.resourceRules),
  };
}

/** Whether the caller of something open would still be admitted to it; a refusal is recorded like every other. */
export async function isStillAdmitted(parts: FrontParts, arrival: Arrival, method: string): Promise<boolean> {
  const call = unnamedCall(parts.renew(arrival.origin), method);
  return (await parts.gateway.admit(call, arrival.credential)).kind === "admitted";
}

/**
 * Whether a request that was allowed may go on: a token that is revoked or stopped ends it, one that expires does not, and
 * the end of this process lets it come to its own.
 */
export async function mayGoOn(parts: FrontParts, arrival: Arrival): Promise<boolean> {
  const answer = await parts.gateway.admit(
    unnamedCall(parts.renew(arrival.origin), "ping"),
    arrival.credential,
  );
  return answer.kind === "admitted" || GOES_ON.includes(answer.refusal.code);
}

const GOES_ON: readonly string[] = ["expired_token", "shutting_down"];

/** Whether the upstream is one of the tenant's. */
export function mayUse(upstream: ResolvedUpstream, admission: Admission): boolean {
  return upstream.tenants.includes("*") || upstream.tenants.includes(admission.tenant);
}

/** A request's claim to a session: opened before anybody is authenticated, judged after. */
export class SessionClaim {
  readonly #arrival: Arrival;
  readonly #session: Session | undefined;
  readonly #hasId: boolean;
  #isOtherVersion = false;

  private constructor(arrival: Arrival, hasId: boolean, session: Session | undefined) {
    this.#arrival = arrival;
    this.#hasId = hasId;
    this.#session = session;
  }

  static async open(parts: FrontParts, arrival: Arrival): Promise<SessionClaim> {
    const id = arrival.request.headers.get("mcp-session-id");
    return new SessionClaim(arrival, id !== null, id === null ? undefined : await parts.sessions.open(id));
  }

  /** Whether the upstream issued a session id for it. */
  get hasUpstreamSession(): boolean {
    return this.#session?.upstreamSessionId !== undefined;
  }

  get hasId(): boolean {
    return this.#hasId;
  }

  /** Whether somebody was once admitted to this very upstream with it: says that the upstream is no secret. */
  get knowsUpstream(): boolean {
    return this.#session?.upstream === this.#arrival.origin.upstream;
  }

  /** The session when it is the principal's own, for this upstream, and in the negotiated version. */
  accept(admission: Admission): AcceptedSession | undefined {
    const session = this.#session;
    if (session === undefined || !isOwnSession(session, sessionUpstream(this.#arrival), admission)) {
      return undefined;
    }
    const { protocolVersion } = this.#arrival;
    this.#isOtherVersion = protocolVersion !== undefined && protocolVersion !== session.protocolVersion;
    return this.#isOtherVersion ? undefined : { ...session, blockIds: admission.blockIds };
  }

  /** The answer when `accept` gave nothing. */
  refusal(id: MessageId | null): Response {
    if (!this.#hasId) return rpcError(400, RPC.badRequest, "Mcp-Session-Id is required", id);
    if (!this.#isOtherVersion) return sessionNotFound(id);
    return rpcError(400, RPC.badRequest, "MCP-Protocol-Version is not the negotiated one", id);
  }
}

/** What the sessions of an endpoint are bound to. */
function sessionUpstream({ aggregate, origin }: Arrival): string {
  return aggregate === undefined ? origin.upstream : ALL_UPSTREAMS;
}

/** The refusal of a name that is not there, the same as of one that may not be used. */
export function notAvailable(arrival: Arrival): Refusal {
  return {
    check: "capability",
    code: NOT_AVAILABLE,
    reason: NOT_AVAILABLE_REASON,
    decisionId: arrival.origin.id,
    unauthenticated: false,
  };
}

/**
 * Asks an upstream something that is no call, while there is a place among its requests: until it has answered, not only
 * until an answer has begun.
 */
export async function withUpstream(
  parts: FrontParts,
  arrival: Arrival,
  to: { readonly id: MessageId | null; readonly tenant: string },
  work: () => Promise<Response | Forwarded>,
): Promise<Response> {
  arrival.visit.decided();
  const { upstream } = arrival.origin;
  const refusal = parts.loads.enter(upstream, to.tenant);
  if (refusal !== undefined) return upstreamRefused(arrival, refusal, to.id);
  const leave = () => parts.loads.leave(upstream, to.tenant);
  try {
    const answered = await work();
    if (answered instanceof Response) {
      leave();
      return answered;
    }
    void answered.ending.finally(leave);
    return answered.response;
  } catch (error) {
    leave();
    throw error;
  }
}

/**
 * Asks an upstream something before it is known what a request is to it: while there is a place among its requests, and
 * without one among those that are decided.
 */
export async function readUpstream<Result>(
  parts: FrontParts,
  arrival: Arrival,
  to: { readonly id: MessageId | null; readonly tenant: string },
  read: () => Promise<Result>,
): Promise<Result | Response> {
  const { upstream } = arrival.origin;
  const refusal = parts.loads.enter(upstream, to.tenant);
  if (refusal !== undefined) return upstreamRefused(arrival, refusal, to.id);
  const reading = read().finally(() => parts.loads.leave(upstream, to.tenant));
  return await arrival.visit.leaveFor(reading);
}

/** 503 for a request that no decision stands behind. */
function upstreamRefused(arrival: Arrival, refusal: UpstreamRefusal, id: MessageId | null): Response {
  const { code, reason, retryAfterSeconds } = refusal;
  const decisionId = arrival.origin.id;
  const of: Refusal = {
    ...{ check: "gateway", code, reason, decisionId, retryAfterSeconds },
    unauthenticated: false,
  };
  const response = jsonText(JSON.stringify(refusalMessage(of, id)), 503);
  response.headers.set("retry-after", String(retryAfterSeconds));
  return response;
}

/** What a client is told about an upstream that did not answer properly. */
export function upstreamRefusal(arrival: Arrival, failure: UpstreamFailure): Refusal {
  const isUnknown = failure.kind === "unknown";
  return {
    check: "gateway",
    code: isUnknown ? "outcome_unknown" : "upstream_failed",
    reason: isUnknown
      ? `The upstream did not finish its answer: ${failure.code}`
      : `The upstream did not give a usable answer: ${failure.code}`,
    decisionId: arrival.origin.id,
    unauthenticated: false,
  };
}

/** The JSON-RPC error text for an upstream that did not answer properly. */
export function upstreamRefusalText(
  arrival: Arrival,
  failure: UpstreamFailure,
  id: MessageId | null,
): string {
  return JSON.stringify(refusalMessage(upstreamRefusal(arrival, failure), id));
}

/** Hears the notifications that pass by. */
export function notificationListener(parts: FrontParts, arrival: Arrival): (method: string) => void {
  return (method) => {
    if (method === "notifications/tools/list_changed") parts.catalogue.invalidate(arrival.origin.upstream);
  };
}
