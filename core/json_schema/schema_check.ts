/**
 * JSON Schema for schemas that strangers wrote: nothing is fetched, nothing is compiled to code, no pattern can back-track,
 * and both reading a schema and checking a value have a bound, since they run on the thread that serves all calls. What is
 * understood: draft 2020-12, and draft-07 where `$schema` says so, without `$dynamicRef`, `unevaluatedProperties`,
 * `unevaluatedItems`, nested `$id` and references out of the document; `format` and `content…` say nothing.
 * Source: https://json-schema.org/draft/2020-12
 */
import type { JsonObject, JsonValue } from "../json.ts";
import { CheckRun, type SchemaViolation } from "./check_run.ts";
import { WorkExhausted } from "./check_work.ts";
import { PatternMatchers } from "./pattern_matchers.ts";
import { SchemaCompiler } from "./schema_compiler.ts";

export { MAX_VIOLATIONS, type SchemaViolation } from "./check_run.ts";
export { SchemaUnusable } from "./schema_compiler.ts";

/** A schema, ready to check values. */
export interface SchemaCheck {
  /** What is wrong with a value: nothing, or at most `MAX_VIOLATIONS` places; `complexity` alone when it takes too much work. */
  violations(value: JsonValue): readonly SchemaViolation[];
  /** Patterns that cannot be matched in linear time: they are not checked. */
  readonly uncheckedPatterns: number;
  /** Roughly how much memory it takes: subschemas, entries of lists, and steps of patterns. */
  readonly weight: number;
}

const TOO_COMPLEX: readonly SchemaViolation[] = [{ pointer: "", keyword: "complexity" }];

/** Makes the check of a schema; throws `SchemaUnusable`. */
export function compileSchema(schema: JsonObject): SchemaCheck {
  const compiler = new SchemaCompiler(schema);
  const rule = compiler.compile(schema, false);
  const matchers = new PatternMatchers();
  return {
    uncheckedPatterns: compiler.skippedPatterns,
    weight: compiler.weight,
    violations: (value) => {
      const run = new CheckRun(value, matchers);
      try {
        rule(value, undefined, run);
        return run.found;
      } catch (error) {
        // A value that is nested deeper than the stack, too.
        if (error instanceof WorkExhausted || error instanceof RangeError) return TOO_COMPLEX;
        throw error;
      } finally {
        matchers.settle();
      }
    },
  };
}
