/** A tool's schemas, compiled when they are first needed: what a call's arguments and its structured result must be. */
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";
import {
  compileSchema,
  type SchemaCheck,
  SchemaUnusable,
  type SchemaViolation,
} from "./json_schema/schema_check.ts";

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
  #argumentCheck: SchemaCheck | string | undefined;
  #resultCheck: SchemaCheck | string | undefined;

  constructor(input: JsonObject, output: JsonObject | undefined, modes: CheckModes) {
    this.#input = input;
    this.#output = output;
    this.modes = modes;
  }

  /** Holds arguments against the input schema; `undefined` where that is switched off. */
  arguments(value: JsonObject): SchemaAnswer | undefined {
    if (this.modes.arguments === "off") return undefined;
    return answer(this.#argumentCheck ??= compiled(this.#input), value);
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
    return answer(this.#resultCheck ??= compiled(this.#output), structuredContent);
  }
}

function compiled(schema: JsonObject): SchemaCheck | string {
  try {
    return compileSchema(schema);
  } catch (error) {
    // A schema that is nested deeper than the stack, too: it is not checked, and says so.
    if (error instanceof SchemaUnusable || error instanceof RangeError) return error.message;
    throw error;
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
