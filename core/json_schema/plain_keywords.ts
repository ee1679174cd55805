/** Keywords about any value, numbers and strings. */
import type { JsonObject, JsonValue } from "../json.ts";
import type { CheckRun, Rule } from "./check_run.ts";
import type { SchemaCompiler } from "./schema_compiler.ts";
import { ValueSet } from "./value_set.ts";

/** `type`, `const`, `enum`, the bounds of numbers and lengths, `pattern`. */
export function plainRules(schema: JsonObject, compiler: SchemaCompiler, certain: boolean): Rule[] {
  const rules: Rule[] = [];
  if (schema.type !== undefined) rules.push(typeRule(schema.type, compiler));
  if (Object.hasOwn(schema, "const")) rules.push(valueRule("const", [schema.const ?? null], compiler));
  if (Array.isArray(schema.enum)) rules.push(valueRule("enum", schema.enum, compiler));
  rules.push(...limitRules(schema, NUMBER_LIMITS, (value) => typeof value === "number" ? value : undefined));
  rules.push(...limitRules(schema, LENGTH_LIMITS, (value) => typeof value === "string" ? value : undefined));
  const pattern = typeof schema.pattern === "string" ? compiler.pattern(schema.pattern, certain) : undefined;
  if (pattern !== undefined) {
    rules.push((value, place, run) =>
      typeof value !== "string" || run.matches(pattern, value) || run.fail(place, "pattern")
    );
  }
  return rules;
}

function typeRule(type: JsonValue, compiler: SchemaCompiler): Rule {
  const types = new Set<JsonValue>(Array.isArray(type) ? type : [type]);
  compiler.weigh(types.size);
  return (value, place, run) => {
    const found = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
    if (types.has(found) || (found === "number" && types.has("integer") && Number.isInteger(value))) {
      return true;
    }
    return run.fail(place, "type");
  };
}

function valueRule(keyword: "const" | "enum", values: readonly JsonValue[], compiler: SchemaCompiler): Rule {
  compiler.weigh(values.length);
  const set = new ValueSet(values);
  return (value, place, run) => set.has(value, run) || run.fail(place, keyword);
}

/** A keyword whose value is a number, and whether what is measured is within it. */
export type Limit<Value> = readonly [string, (value: Value, limit: number, run: CheckRun) => boolean];

const NUMBER_LIMITS: readonly Limit<number>[] = [
  ["maximum", (value, limit) => value <= limit],
  ["minimum", (value, limit) => value >= limit],
  ["exclusiveMaximum", (value, limit) => value < limit],
  ["exclusiveMinimum", (value, limit) => value > limit],
  ["multipleOf", isMultiple],
];
/** A text has at most as many code points as UTF-16 code units, and at least half as many. */
const LENGTH_LIMITS: readonly Limit<string>[] = [
  [
    "maxLength",
    (text, limit, run) =>
      text.length <= limit || (text.length <= 2 * limit && codePoints(text, run) <= limit),
  ],
  [
    "minLength",
    (text, limit, run) =>
      text.length >= limit && (text.length >= 2 * limit || codePoints(text, run) >= limit),
  ],
];

/** Rules that hold what `of` measures against numbers. */
export function limitRules<Value>(
  schema: JsonObject,
  limits: readonly Limit<Value>[],
  of: (value: JsonValue, run: CheckRun) => Value | undefined,
): Rule[] {
  return limits.flatMap(([keyword, holds]) => {
    const limit = schema[keyword];
    if (typeof limit !== "number") return [];
    return [(value: JsonValue, place, run) => {
      const measured = of(value, run);
      return measured === undefined || holds(measured, limit, run) || run.fail(place, keyword);
    }] satisfies Rule[];
  });
}

/** Decimal fractions like 0.1 have no exact double: a quotient close to a whole number counts. */
function isMultiple(value: number, divisor: number): boolean {
  const quotient = value / divisor;
  if (!Number.isFinite(quotient)) return Number.isInteger(divisor) || value % divisor === 0;
  return Math.abs(quotient - Math.round(quotient)) <= Math.abs(quotient) * 4 * Number.EPSILON;
}

function codePoints(text: string, run: CheckRun): number {
  run.charge(text.length / 8);
  let count = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0xdc00 || unit > 0xdfff) count++;
  }
  return count;
}
