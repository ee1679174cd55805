/**
 * What the MCP front needs from the rest: someone who decides calls and records them. `gateway/` implements it,
 * `commands/serve.ts` joins both.
 */
import type { AttachedCondition } from "../core/attachments.ts";
import type { Ending, NamedItems, ToolCall, ToolDefinition } from "../core/call.ts";

/** A refusal, still without bytes. `mcp/refusals.ts` turns it into HTTP and JSON-RPC. */
export interface Refusal {
  /** Which check refused; `gateway` for faults and for what no check decides. */
  readonly check: string;
  /** Machine-readable, for example `invalid_token`, `not_available`, `max_calls_reached`. */
  readonly code: string;
  readonly reason: string;
  readonly decisionId: string;
  readonly retryAfterSeconds?: number;
  /** True for a missing, bad, expired or revoked token: HTTP 401 with `WWW-Authenticate`. */
  readonly unauthenticated: boolean;
}

/** How a forwarded call ended, with what the outcome event says about the answer. */
export interface ForwardEnding extends Ending {
  readonly upstreamStatus?: number;
  readonly resultBytes?: number;
  /** SHA-256 of the upstream's result bytes, lower-case hex; goes into the event only under the event's salt. */
  readonly resultDigest?: string;
  readonly upstreamMs: number;
}

/** A call on its way back: the response for the client, and a promise of how it ended that never rejects. */
export interface Forwarded {
  readonly response: Response;
  readonly ending: Promise<ForwardEnding>;
}

/**
 * Sends the very bytes that were decided on to the upstream. Never throws: every failure is a response for the client
 * and an ending. Called at most once, only after an allow is durable.
 */
export type Forward = () => Promise<Forwarded>;

/** Why an upstream gets no more calls for now. */
export interface NoPlace {
  readonly code: string;
  readonly reason: string;
  readonly retryAfterSeconds: number;
}

/** Why the front refuses a call that the checks were not asked about. */
export interface Objection {
  readonly code: string;
  readonly reason: string;
}

/** What the front knows about one call, asked for in this order. */
export interface CallRoute {
  /** May this principal use the session that the request names? `false` ends the call with `session_not_found`. */
  accepts(admitted: Admission): boolean;
  /** Takes a place among the calls that may wait for the upstream; `undefined` when it has one. Nothing is read yet. */
  reserve(): NoPlace | undefined;
  /**
   * The upstream's definition of the named tool, `undefined` when it has none. Asked for `tools/call` only, and only after the principal stage has
   * passed. Throws `GatewayError` (`upstream_unavailable`, `upstream_answer_unusable`) when the catalogue cannot be read.
   */
  definition(): ToolDefinition | undefined | Promise<ToolDefinition | undefined>;
  /**
   * Takes the way of a name that the upstream does not have, and so the time: asked for a tool that is there and that the
   * caller may not see. Throws like `definition`.
   */
  lookAgain?(): void | Promise<void>;
  /**
   * What the front itself has against the call, once the definition is known: headers that say something else than the
   * body. `undefined` when there is nothing. Only calls that the principal stage let pass are held against it.
   */
  objection?(definition: ToolDefinition | undefined): Objection | undefined;
  /** Conditions of the front's own on the record of an allow, for example that a state is used for the first time. */
  readonly conditions?: readonly AttachedCondition[];
  readonly forward: Forward;
  /** Whether the client has gone away: then nothing is forwarded, and the record says so. */
  isGone(): boolean;
}

export type GatewayAnswer =
  | { readonly kind: "forwarded"; readonly response: Response }
  | { readonly kind: "session_not_found" }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** The principal, as far as sessions need it. */
export interface Admission {
  readonly tenant: string;
  readonly agent: string;
  readonly rootBlockId: string;
  /** Of the whole token, root first: a token that was attenuated is another one. */
  readonly blockIds: readonly string[];
  /** Epoch seconds: the earliest expiry over all blocks. */
  readonly expiresAt: number;
}

/** A principal that may talk to this upstream at all. */
export interface Admitted extends Admission {
  readonly kind: "admitted";
  /** Which of these tools this caller may list; same order and length. */
  lists(tools: readonly ToolDefinition[]): Promise<readonly boolean[]>;
  /** Which of these prompts or resources this caller may list; same order and length. */
  listsNames(named: NamedItems): Promise<readonly boolean[]>;
}

export interface CallGateway {
  /**
   * Authenticates a request that names no tool (`initialize`, `ping`, `tools/list`, notifications, GET and DELETE of a
   * session). Runs only the stage that establishes the principal.
   */
  admit(
    call: ToolCall,
    credential: string | undefined,
  ): Promise<Admitted | { readonly kind: "refused"; readonly refusal: Refusal }>;
  /** Decides a call, records the decision, forwards it when allowed, and records how it ended. */
  handle(call: ToolCall, credential: string | undefined, route: CallRoute): Promise<GatewayAnswer>;
}
