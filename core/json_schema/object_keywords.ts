/** Keywords about an object as a whole. */
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import type { Rule } from "./check_run.ts";
import { type Limit, limitRules } from "./plain_keywords.ts";
import type { SchemaCompiler } from "./schema_compiler.ts";

const SIZE_LIMITS: readonly Limit<number>[] = [
  ["maxProperties", (value, limit) => value <= limit],
  ["minProperties", (value, limit) => value >= limit],
];

/** `minProperties`, `maxProperties`, `required` and what depends on a member. */
export function objectRules(schema: JsonObject, compiler: SchemaCompiler, certain: boolean): Rule[] {
  const rules = limitRules(
    schema,
    SIZE_LIMITS,
    (value, run) => isJsonObject(value) ? run.namesOf(value).length : undefined,
  );
  const { required } = schema;
  if (Array.isArray(required) && required.length > 0) {
    rules.push(requiredRule(required, "required", compiler));
  }
  for (const [name, needed] of entriesOf(schema.dependentRequired, schema.dependencies)) {
    if (Array.isArray(needed)) {
      rules.push(dependentRule(name, requiredRule(needed, "dependentRequired", compiler)));
    }
  }
  for (const [name, dependent] of entriesOf(schema.dependentSchemas, schema.dependencies)) {
    if (!Array.isArray(dependent)) rules.push(dependentRule(name, compiler.compile(dependent, certain)));
  }
  return rules;
}

/** The members of several objects in turn. */
export function entriesOf(...records: readonly (JsonValue | undefined)[]): [string, JsonValue][] {
  return records.flatMap((record) =>
    isJsonObject(record) ? Object.entries(record) as [string, JsonValue][] : []
  );
}

function dependentRule(name: string, rule: Rule): Rule {
  return (value, place, run) =>
    !isJsonObject(value) || !Object.hasOwn(value, name) || rule(value, place, run);
}

function requiredRule(listed: readonly JsonValue[], keyword: string, compiler: SchemaCompiler): Rule {
  compiler.weigh(listed.length);
  const names = listed.map(String);
  return (value, place, run) => {
    if (!isJsonObject(value)) return true;
    run.charge(2 * names.length);
    let holds = true;
    for (const name of names) {
      if (Object.hasOwn(value, name)) continue;
      holds = run.fail({ outer: place, name }, keyword);
      if (run.isDecided) break;
    }
    return holds;
  };
}
