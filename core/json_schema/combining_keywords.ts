/** Keywords that combine subschemas. */
import type { JsonObject, JsonValue } from "../json.ts";
import type { CheckRun, Rule } from "./check_run.ts";
import type { SchemaCompiler } from "./schema_compiler.ts";

/** `allOf`, `anyOf`, `oneOf`, `not`, and `if` with `then` and `else`. */
export function combiningRules(schema: JsonObject, compiler: SchemaCompiler, certain: boolean): Rule[] {
  const list = (parts: JsonValue | undefined, isCertain: boolean): readonly Rule[] | undefined => {
    if (!Array.isArray(parts)) return undefined;
    compiler.weigh(parts.length);
    return parts.map((part: JsonValue) => compiler.compile(part, isCertain));
  };
  const rules = [...list(schema.allOf, certain) ?? []];
  const any = list(schema.anyOf, certain);
  if (any !== undefined) {
    rules.push((value, place, run) => holding(any, 1, value, run) > 0 || run.fail(place, "anyOf"));
  }
  const one = list(schema.oneOf, true);
  if (one !== undefined) {
    rules.push((value, place, run) => holding(one, 2, value, run) === 1 || run.fail(place, "oneOf"));
  }
  if (schema.not !== undefined) {
    const not = compiler.compile(schema.not, true);
    rules.push((value, place, run) => !run.accepts(not, value) || run.fail(place, "not"));
  }
  if (schema.if !== undefined && (schema.then !== undefined || schema.else !== undefined)) {
    const condition = compiler.compile(schema.if, true);
    const then = compiler.compile(schema.then, certain);
    const otherwise = compiler.compile(schema.else, certain);
    rules.push((value, place, run) => (run.accepts(condition, value) ? then : otherwise)(value, place, run));
  }
  return rules;
}

/** How many of the rules hold, counted until it is enough. */
function holding(rules: readonly Rule[], enough: number, value: JsonValue, run: CheckRun): number {
  run.charge(rules.length);
  let found = 0;
  for (const rule of rules) {
    if (run.accepts(rule, value) && ++found === enough) break;
  }
  return found;
}
