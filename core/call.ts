import type { JsonObject, JsonValue } from "./json.ts";
import type { ToolChecks } from "./tool_checks.ts";
import type { ToolPin } from "./tool_pin.ts";
import type { TraceContext } from "./trace_context.ts";

/**
 * One governed MCP request, frozen before the first check sees it.
 * It never carries a credential: that travels beside it, see `core/attachments.ts`.
 */
export interface ToolCall {
  /** Decision id: UUIDv7, unique per call; the caller learns it as `decision_id`. */
  readonly id: string;
  /** Name of the upstream in the configuration. */
  readonly upstream: string;
  /** MCP method, for example `tools/call`. Discovery (`initialize`, `ping`, `tools/list`) uses the same shape. */
  readonly method: string;
  /** Name of the tool or prompt, or URI of the resource, as the upstream spells it; empty for methods that name nothing. */
  readonly name: string;
  /** Of `completion/complete`: all its params but `_meta`. */
  readonly arguments: JsonObject;
  /** What the client answers to questions that the upstream asked before (`input_required`); absent when it answers none. */
  readonly inputResponses?: JsonObject;
  /** Canonical digest of `inputResponses`, like that of the arguments; there whenever they are. */
  readonly inputResponsesDigest?: string;
  /** Canonical digest of the arguments: SHA-256 over RFC 8785, lower-case hex. Never enters an event unsalted. */
  readonly argumentsDigest: string;
  /** What the agent says about its prompt and memory, from `params._meta`; absent when it says nothing. */
  readonly prompt?: JsonValue;
  readonly memory?: JsonValue;
  /** When the call arrived, and when it must have been decided: milliseconds since the epoch. */
  readonly receivedAtMs: number;
  readonly deadlineMs: number;
  /** The peer's IP address as the listener saw it. */
  readonly sourceIp: string;
  /** The distributed trace that the agent says the call belongs to; absent when it says nothing that can be read. */
  readonly trace?: TraceContext;
}

/**
 * The upstream of a request that is for all of them, at the aggregate endpoint: listings and what only carries a session.
 * No upstream can be named so, and no call names a tool of it.
 */
export const ALL_UPSTREAMS = "*";

/** The hints of MCP `ToolAnnotations`; claims of the upstream, not facts. */
export interface ToolAnnotations {
  readonly title?: string;
  readonly readOnlyHint?: boolean;
  readonly destructiveHint?: boolean;
  readonly idempotentHint?: boolean;
  readonly openWorldHint?: boolean;
}

/** One tool of an upstream as its `tools/list` defines it. */
export interface ToolDefinition {
  readonly upstream: string;
  readonly name: string;
  readonly description?: string;
  readonly inputSchema: JsonObject;
  readonly outputSchema?: JsonObject;
  /** Where tools are pinned: those of the pinned definition, whatever the upstream says now. */
  readonly annotations: ToolAnnotations;
  /** How the definition stands to its pin; absent where tools are not pinned. */
  readonly pin?: ToolPin;
  /** What arguments and results must be; absent where nobody looks. */
  readonly checks?: ToolChecks;
}

/** Prompts or resources of one upstream, by what a call would name. */
export interface NamedItems {
  readonly upstream: string;
  /** `prompts/get` or `resources/read` where a list is made; where a call is decided on, its own method. */
  readonly method: string;
  readonly names: readonly string[];
}

/** Who calls. Built only by the check that verified it, kept in `facts.principal`. */
export interface Principal {
  readonly tenant: string;
  /** Block 0's `sub`: the agent, whatever later blocks say. */
  readonly agent: string;
  /** Block ids from the root block to the last one; the last identifies this token. */
  readonly blockIds: readonly string[];
  /** Informational names of the holders that attenuated it, in order. */
  readonly delegates: readonly string[];
  readonly jti: string;
  /** Epoch seconds: issue time of the root block, earliest expiry over all blocks. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** What earlier checks established, one key per check; `principal` and `tool` are the two the runner itself reads or writes. */
export type Facts = { readonly [check: string]: JsonObject | undefined };

/** One check's answer. */
export type Verdict =
  | { readonly kind: "pass"; readonly facts?: JsonObject }
  | { readonly kind: "skip"; readonly reason: string }
  | {
    readonly kind: "block";
    readonly code: string;
    readonly reason: string;
    readonly retryAfterSeconds?: number;
  }
  | { readonly kind: "escalate"; readonly reason: string; readonly requiresStepUp?: boolean };

/** One line of a decision's trail: which check said what, and how long it took. */
export interface TrailEntry {
  readonly check: string;
  readonly verdict: Verdict["kind"] | "fault";
  readonly code?: string;
  readonly micros: number;
}

/** The pipeline's answer for a call. `check`, `code` and `reason` say who refused it and why. */
export interface Decision {
  readonly decision: "allow" | "block" | "escalate";
  readonly check?: string;
  readonly code?: string;
  readonly reason?: string;
  readonly retryAfterSeconds?: number;
  readonly trail: readonly TrailEntry[];
  readonly facts: Facts;
}

/** How an allowed call ended; every allow gets exactly one. */
export type EndingKind = "ok" | "tool_error" | "upstream_failed" | "unknown" | "not_forwarded";
export interface Ending {
  readonly kind: EndingKind;
  /** Machine-readable detail, for example `timeout`, `connection_lost`, `response_too_large`. */
  readonly code?: string;
}

/** The upstream's answer to a call. Reserved for result inspection. */
export interface ToolOutcome {
  readonly result: JsonObject;
  readonly isError: boolean;
}
