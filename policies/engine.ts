/** Evaluates one compiled policy, synchronously, on the thread that serves the call. */
import { GatewayError } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import {
  compilePolicyModule,
  createPolicyInstance,
  type OnBuiltinError,
  PolicyAbort,
  type PolicyInstance,
} from "./instance.ts";
import { parseMayList, parsePolicyResult, type PolicyResult } from "./result.ts";

export type { PolicyResult } from "./result.ts";

export interface PolicyEngineOptions {
  /** Most pages of 64 KiB that one evaluation may use; 1024 (64 MiB) unless given. */
  readonly maxPages?: number;
  readonly onBuiltinError?: OnBuiltinError;
}

/** One policy, ready to decide. Nothing interrupts an evaluation: only its memory is bounded. */
export interface PolicyEngine {
  /** Decides one input document; throws `GatewayError` with code `policy_failed` when it cannot. */
  evaluate(input: JsonObject): PolicyResult;
  /**
   * Whether what the document names may be listed: what `may_list` says; where the policy has no such rule, whether
   * `decision` is anything but a block. Throws like `evaluate`.
   */
  mayList(input: JsonObject): boolean;
}

const DEFAULT_MAX_PAGES = 1024;
/** Wasm memory never shrinks: an instance that has grown beyond this is replaced after its evaluation. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024;

/**
 * Loads a compiled policy; throws `GatewayError` when it is no policy, calls a builtin that we do not have, or has a
 * `may_list` that is anything but true, false or undefined when it is asked about nothing.
 */
export function createPolicyEngine(
  wasm: Uint8Array<ArrayBuffer>,
  options: PolicyEngineOptions = {},
): PolicyEngine {
  const instanceOptions = {
    maxPages: options.maxPages ?? DEFAULT_MAX_PAGES,
    onBuiltinError: options.onBuiltinError,
  };
  const module = attempt("load the policy", () => compilePolicyModule(wasm));
  const engine = new WasmPolicyEngine(() =>
    attempt("load the policy", () => createPolicyInstance(module, instanceOptions))
  );
  if (engine.hasListRule) engine.mayList({ listing: true });
  return engine;
}

class WasmPolicyEngine implements PolicyEngine {
  readonly #create: () => PolicyInstance;
  #instance: PolicyInstance | undefined;
  readonly hasListRule: boolean;

  constructor(create: () => PolicyInstance) {
    this.#create = create;
    this.#instance = create();
    this.hasListRule = this.#instance.mayList !== undefined;
  }

  evaluate(input: JsonObject): PolicyResult {
    return parsePolicyResult(this.#ask(input, (instance, text) => instance.evaluate(text)));
  }

  mayList(input: JsonObject): boolean {
    const resultSet = this.#ask(input, (instance, text) => (instance.mayList ?? instance.evaluate)(text));
    return this.hasListRule ? parseMayList(resultSet) : parsePolicyResult(resultSet).decision !== "block";
  }

  #ask(input: JsonObject, ask: (instance: PolicyInstance, text: string) => unknown): unknown {
    const text = attempt("evaluate the policy", () => inputText(input));
    const instance = this.#instance ?? this.#create();
    // Until it has answered, the instance counts as lost: a trap can leave its heap half written.
    this.#instance = undefined;
    const resultSet = attempt("evaluate the policy", () => ask(instance, text));
    if (instance.memoryBytes() <= MAX_KEPT_BYTES) this.#instance = instance;
    return resultSet;
  }
}

function inputText(input: JsonObject): string {
  assertFinite(input);
  return JSON.stringify(input);
}

/** `JSON.stringify` writes null for a number that is not finite, and in Rego null is smaller than every number. */
function assertFinite(value: JsonValue | undefined): void {
  if (typeof value === "number") {
    if (!Number.isFinite(value)) {
      throw new GatewayError(
        "policy_failed",
        `Cannot evaluate the policy: its input holds the number ${value}`,
      );
    }
  } else if (typeof value === "object" && value !== null) {
    if (Array.isArray(value)) value.forEach(assertFinite);
    else for (const name in value) assertFinite((value as JsonObject)[name]);
  }
}

/** Runs what touches the Wasm and turns whatever it throws into a fault; the SDK throws bare strings as well. */
function attempt<Result>(what: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw new GatewayError("policy_failed", `Cannot ${what}: ${causeOf(error)}`);
  }
}

/** Says what went wrong without quoting data: a parser's message repeats the text that it could not read. */
function causeOf(error: unknown): string {
  if (error instanceof PolicyAbort) return `it gave up with "${error.message}"`;
  if (error instanceof WebAssembly.RuntimeError) return `it trapped with "${error.message}"`;
  if (error instanceof WebAssembly.CompileError || error instanceof WebAssembly.LinkError) {
    return `the Wasm is no OPA policy: ${error.message}`;
  }
  if (error instanceof RangeError) return `it needs more memory or stack than it may have`;
  if (error instanceof SyntaxError) return "its answer is not JSON";
  return "the OPA SDK failed";
}
