/** A tool's schemas, compiled when they are first needed: what a call's arguments and its structured result must be. */
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";
import { CompiledSchemas } from "./json_schema/compiled_schemas.ts";
import type { SchemaCheck, SchemaViolation } from "./json_schema/schema_check.ts";

export type ArgumentMode = "enforce" | "report" | "off";
export type ResultMode = "block" | "report" | "off";

export interface CheckModes {
  readonly arguments: ArgumentMode;
  readonly results: ResultMode;
}

/** How a value stands to its schema. `unchecked`: the schema is one that nobody here can check; why, says `reason`. */
export type SchemaAnswer =
  | { readonly kind: "valid" }
  | { readonly kind: "invalid"; readonly violations: readonly SchemaViolation[] }
  | { readonly kind: "unchecked"; readonly reason: string };

const VALID: SchemaAnswer = Object.freeze({ kind: "valid" });

/** The checks of one definition. */
export class ToolChecks {
  readonly modes: CheckModes;
  readonly #input: JsonObject;
  readonly #output: JsonObject | undefined;
  readonly #compiled: CompiledSchemas;

  /** `compiled` is shared by the tools of an upstream, so that what is kept for all of them is bounded. */
  constructor(
    input: JsonObject,
    output: JsonObject | undefined,
    modes: CheckModes,
    compiled: CompiledSchemas = new CompiledSchemas(),
  ) {
    this.#compiled = compiled;
    this.#input = input;
    this.#output = output;
    this.modes = modes;
  }

  /** Holds arguments against the input schema; `undefined` where that is switched off. */
  arguments(value: JsonObject): SchemaAnswer | undefined {
    if (this.modes.arguments === "off") return undefined;
    return answer(this.#compiled.of(this.#input), value);
  }

  /** Whether results are looked at. */
  get looksAtResults(): boolean {
    return this.#output !== undefined && this.modes.results !== "off";
  }

  /** Holds the result of a call against the output schema. One that is an error, as the tool says, may be anything. */
  result({ isError, structuredContent }: JsonObject): SchemaAnswer {
    if (this.#output === undefined || isError === true) return VALID;
    if (!isJsonObject(structuredContent)) {
      return { kind: "invalid", violations: [{ pointer: "", keyword: "structuredContent" }] };
    }
    return answer(this.#compiled.of(this.#output), structuredContent);
  }
}

function answer(check: SchemaCheck | string, value: JsonValue): SchemaAnswer {
  if (typeof check === "string") return { kind: "unchecked", reason: check };
  const violations = check.violations(value);
  return violations.length === 0 ? VALID : { kind: "invalid", violations };
}

/** One sentence about what does not fit, without a value. */
export function violationsText(violations: readonly SchemaViolation[]): string {
  return violations.map(({ pointer, keyword }) => `"${pointer}" (${keyword})`).join(", ");
}
