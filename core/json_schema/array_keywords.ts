/** Keywords about arrays. */
import type { JsonObject, JsonValue } from "../json.ts";
import type { Rule } from "./check_run.ts";
import { type Limit, limitRules } from "./plain_keywords.ts";
import type { SchemaCompiler } from "./schema_compiler.ts";

const SIZE_LIMITS: readonly Limit<number>[] = [
  ["maxItems", (value, limit) => value <= limit],
  ["minItems", (value, limit) => value >= limit],
];

/** `minItems`, `maxItems`, `uniqueItems`, `prefixItems`, `items`, `additionalItems`, and `contains` with its limits. */
export function arrayRules(schema: JsonObject, compiler: SchemaCompiler, certain: boolean): Rule[] {
  const rules = limitRules(
    schema,
    SIZE_LIMITS,
    (value) => Array.isArray(value) ? value.length : undefined,
  );
  if (schema.uniqueItems === true) rules.push(uniqueRule);
  rules.push(...itemRules(schema, compiler, certain));
  if (schema.contains !== undefined) {
    rules.push(containsRule(schema, compiler.compile(schema.contains, true), compiler));
  }
  return rules;
}

function itemRules(schema: JsonObject, compiler: SchemaCompiler, certain: boolean): Rule[] {
  const isList = Array.isArray(schema.items);
  const heads = isList ? schema.items : compiler.draft === "2020-12" ? schema.prefixItems : undefined;
  const first = Array.isArray(heads) ? heads.map((part: JsonValue) => compiler.compile(part, certain)) : [];
  const tail = isList ? schema.additionalItems : schema.items;
  const rest = tail === undefined || Array.isArray(tail) ? undefined : compiler.compile(tail, certain);
  compiler.weigh(first.length);
  if (first.length === 0 && rest === undefined) return [];
  return [(value, place, run) => {
    if (!Array.isArray(value)) return true;
    const end = rest === undefined ? Math.min(first.length, value.length) : value.length;
    run.charge(end);
    let holds = true;
    for (let index = 0; index < end; index++) {
      if ((first[index] ?? rest!)(value[index], { outer: place, name: index }, run)) continue;
      holds = false;
      if (run.isDecided) break;
    }
    return holds;
  }];
}

const uniqueRule: Rule = (value, place, run) => {
  if (!Array.isArray(value) || value.length < 2) return true;
  const seen = new Set<JsonValue>();
  const seenKeys = new Set<string>(); // of arrays and objects: a plain text may look like one
  for (const member of value) {
    run.charge(8 + (typeof member === "string" ? member.length / 64 : 0));
    const isPlain = typeof member !== "object" || member === null;
    const before = isPlain ? seen.size : seenKeys.size;
    if ((isPlain ? seen.add(member) : seenKeys.add(run.keyOf(member))).size === before) {
      return run.fail(place, "uniqueItems");
    }
  }
  return true;
};

function containsRule(schema: JsonObject, rule: Rule, { draft }: SchemaCompiler): Rule {
  const counts = draft === "2020-12";
  const least = counts && typeof schema.minContains === "number" ? schema.minContains : 1;
  const most = counts && typeof schema.maxContains === "number" ? schema.maxContains : Infinity;
  return (value, place, run) => {
    if (!Array.isArray(value)) return true;
    run.charge(value.length);
    let found = 0;
    for (const member of value) {
      if (run.accepts(rule, member)) found++;
      if (found > most || (found >= least && most === Infinity)) break;
    }
    return (found >= least && found <= most) || run.fail(place, "contains");
  };
}
