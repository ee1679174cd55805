/** One HTTP request on its way through the front, and the parts that serve it. */
import { type CallOrigin, unnamedCall } from "./tool_call.ts";
import { NOT_AVAILABLE, NOT_AVAILABLE_REASON } from "../core/refusal_codes.ts";
import type { Catalogue } from "./catalogue.ts";
import type { Admission, Admitted, CallGateway, Refusal } from "./port.ts";
import {
  type MessageId,
  refusalMessage,
  refusalResponse,
  RPC,
  rpcError,
  sessionNotFound,
} from "./refusals.ts";
import { isOwnSession, type Session, type Sessions } from "./sessions.ts";
import type { Exchange, ExchangeClock, ResolvedUpstream, UpstreamFailure } from "./upstream_connection.ts";

/** What the front is made of. */
export interface FrontParts extends ExchangeClock {
  readonly gateway: CallGateway;
  readonly sessions: Sessions;
  readonly catalogue: Catalogue;
  /** The open streams of sessions, to be closed on shutdown. */
  readonly openStreams: Set<Exchange>;
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
  /** The MCP-Protocol-Version header, when there is one. */
  readonly protocolVersion: string | undefined;
}

/** Authenticates a request that names no tool, for an upstream that its tenant may use. */
export async function admit(
  parts: FrontParts,
  arrival: Arrival,
  method: string,
  id: MessageId | null,
): Promise<{ readonly admitted: Admitted; readonly upstream: ResolvedUpstream } | Response> {
  const answer = await parts.gateway.admit(unnamedCall(arrival.origin, method), arrival.credential);
  const how = { hasCredential: arrival.credential !== undefined, style: "error" } as const;
  if (answer.kind === "refused") return refusalResponse(answer.refusal, id, how);
  const { upstream } = arrival;
  if (upstream === undefined || !mayUse(upstream, answer)) {
    return refusalResponse(notAvailable(arrival), id, how);
  }
  return { admitted: answer, upstream };
}

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

  get hasId(): boolean {
    return this.#hasId;
  }

  /** Whether somebody was once admitted to this very upstream with it: says that the upstream is no secret. */
  get knowsUpstream(): boolean {
    return this.#session?.upstream === this.#arrival.origin.upstream;
  }

  /** The session when it is the principal's own, for this upstream, and in the negotiated version. */
  accept(admission: Admission): Session | undefined {
    const session = this.#session;
    if (session === undefined || !isOwnSession(session, this.#arrival.origin.upstream, admission)) {
      return undefined;
    }
    const { protocolVersion } = this.#arrival;
    this.#isOtherVersion = protocolVersion !== undefined && protocolVersion !== session.protocolVersion;
    return this.#isOtherVersion ? undefined : session;
  }

  /** The answer when `accept` gave nothing. */
  refusal(id: MessageId | null): Response {
    if (!this.#hasId) return rpcError(400, RPC.badRequest, "Mcp-Session-Id is required", id);
    if (!this.#isOtherVersion) return sessionNotFound(id);
    return rpcError(400, RPC.badRequest, "MCP-Protocol-Version is not the negotiated one", id);
  }
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
