/** The checks that one upstream's schemas were made into, as many as there is room for. */
import type { JsonObject } from "../json.ts";
import { compileSchema, type SchemaCheck, SchemaUnusable } from "./schema_check.ts";

/** Weight of the checks that are kept: those used longest ago are made again when they are needed. */
export const MAX_KEPT_WEIGHT = 100_000;
/** A check that is nothing but a reason weighs something, too. */
const LEAST_WEIGHT = 10;

type Compiled = SchemaCheck | string;

/** Keeps checks by their schemas, which must not change. */
export class CompiledSchemas {
  readonly #checks = new Map<JsonObject, Compiled>();
  #weight = 0;

  /** The check of a schema, or why there is none. */
  of(schema: JsonObject): Compiled {
    const known = this.#checks.get(schema);
    const check = known ?? compiled(schema);
    // The map is in the order of use.
    if (known !== undefined) this.#checks.delete(schema);
    else this.#weight += weightOf(check);
    this.#checks.set(schema, check);
    for (const [oldest, old] of this.#checks) {
      if (this.#weight <= MAX_KEPT_WEIGHT || oldest === schema) break;
      this.#checks.delete(oldest);
      this.#weight -= weightOf(old);
    }
    return check;
  }

  /** How many are kept. */
  get size(): number {
    return this.#checks.size;
  }
}

function weightOf(check: Compiled): number {
  return typeof check === "string" ? LEAST_WEIGHT : LEAST_WEIGHT + check.weight;
}

function compiled(schema: JsonObject): Compiled {
  try {
    return compileSchema(schema);
  } catch (error) {
    // A schema that is nested deeper than the stack, too: it is not checked, and says so.
    if (error instanceof SchemaUnusable || error instanceof RangeError) return error.message;
    throw error;
  }
}
