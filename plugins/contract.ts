/**
 * The check contract: the first thing a plugin author reads.
 *
 * A check is one ordered stage of the pipeline. It answers every call with a verdict:
 * - `pass`: go on, and remember these facts;
 * - `skip`: this check does not apply to this tool or scope (never: "input is missing");
 * - `block`: the call ends here;
 * - `escalate`: a human must decide.
 *
 * A throw, a timeout or a malformed verdict is a fault, and a fault blocks.
 */
import type {
  Ending,
  Facts,
  NamedItems,
  ToolCall,
  ToolDefinition,
  ToolOutcome,
  Verdict,
} from "../core/call.ts";
import type { JsonObject } from "../core/json.ts";

export type {
  Decision,
  Ending,
  EndingKind,
  Facts,
  NamedItems,
  Principal,
  ToolAnnotations,
  ToolCall,
  ToolDefinition,
  ToolOutcome,
  Verdict,
} from "../core/call.ts";
export type { JsonObject, JsonValue } from "../core/json.ts";

/** What a check that inspects results will answer. Reserved: see `Check.result`. */
export type ResultVerdict =
  | { readonly kind: "pass" }
  | { readonly kind: "block"; readonly code: string; readonly reason: string };

/** One running check. Made by `CheckDefinition.setup`, used for every call until `close`. */
export interface Check {
  /** Decides one call. `signal` aborts when the pipeline's deadline has passed. */
  run(call: ToolCall, facts: Facts, signal: AbortSignal): Verdict | Promise<Verdict>;
  /**
   * Which of these may this principal ever use? Same rules as `run`, before arguments are known. One answer per tool. What
   * it denies is neither listed nor called: the caller cannot tell it from what does not exist. Answers may be kept for
   * 5 seconds, for as long as token, definition, settings and `listsVersion` are the same.
   */
  lists?(
    tools: readonly ToolDefinition[],
    facts: Facts,
    signal: AbortSignal,
  ): readonly boolean[] | Promise<readonly boolean[]>;
  /**
   * Which of these prompts (`method` is `prompts/get`, names) or resources (`resources/read`, URIs) of an upstream may this
   * principal ever use? Same rules as `run`. One answer per name. Every check but the first is also asked about the name
   * of each call that names a prompt or a resource, with the call's own method, before any of them runs.
   */
  listsNames?(
    named: NamedItems,
    facts: Facts,
    signal: AbortSignal,
  ): readonly boolean[] | Promise<readonly boolean[]>;
  /** Changes whenever `lists` and `listsNames` may answer otherwise; for the policy its digest. */
  listsVersion?(): string;
  /** Looks at the upstream's answer. Reserved: a check that has it is refused until result inspection exists. */
  result?(
    call: ToolCall,
    facts: Facts,
    outcome: ToolOutcome,
    signal: AbortSignal,
  ): ResultVerdict | Promise<ResultVerdict>;
  /** How a call that this check passed ended; called in reverse order of the pipeline. */
  settle?(call: ToolCall, ending: Ending): void | Promise<void>;
  /** Releases what `setup` took. */
  close?(): void | Promise<void>;
}

/** What a check may be lent. Built-in checks get their powers by closure instead. */
export interface CheckContext {
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  readonly log: (level: "debug" | "info" | "warn" | "error", message: string, fields?: JsonObject) => void;
}

/** One problem in options, as Standard Schema reports it. */
export interface OptionsIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/**
 * The part of Standard Schema v1 that a check's options need; zod schemas fit as they are.
 * Source: https://standardschema.dev
 */
export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) =>
      | { readonly value: Output; readonly issues?: undefined }
      | { readonly issues: readonly OptionsIssue[] }
      | Promise<
        | { readonly value: Output; readonly issues?: undefined }
        | { readonly issues: readonly OptionsIssue[] }
      >;
  };
}

/** A check before it runs: name, options, what it needs, and how to set it up. */
export interface CheckDefinition<Options = unknown> {
  readonly name: string;
  readonly contract: 1;
  readonly options: StandardSchema<Options>;
  /** Facts that must exist before this check; verified when the gateway starts. */
  readonly requires?: readonly string[];
  /** The first stage must establish the principal. */
  readonly establishes?: "principal";
  setup(options: Options, context: CheckContext): Check | Promise<Check>;
}
