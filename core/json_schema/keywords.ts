/** What the keywords of one subschema ask of a value, by the kind of value that they look at. */
import type { JsonObject } from "../json.ts";
import { arrayRules } from "./array_keywords.ts";
import type { Rule } from "./check_run.ts";
import { combiningRules } from "./combining_keywords.ts";
import { memberRules } from "./member_keywords.ts";
import { objectRules } from "./object_keywords.ts";
import { plainRules } from "./plain_keywords.ts";
import { type SchemaCompiler, SchemaUnusable } from "./schema_compiler.ts";

const NOT_UNDERSTOOD = ["$dynamicRef", "$recursiveRef", "unevaluatedProperties", "unevaluatedItems"];

/** The rules of one subschema. */
export function compileKeywords(
  schema: JsonObject,
  compiler: SchemaCompiler,
  certain: boolean,
): readonly Rule[] {
  for (const name of NOT_UNDERSTOOD) {
    if (schema[name] !== undefined) throw new SchemaUnusable(`it has the keyword "${name}"`);
  }
  const rules: Rule[] = [];
  if (schema.$ref !== undefined) {
    if (typeof schema.$ref !== "string") throw new SchemaUnusable("a $ref is no text");
    rules.push(compiler.reference(schema.$ref, certain));
    if (compiler.draft === "draft-07") return rules;
  }
  for (const make of [plainRules, objectRules, memberRules, arrayRules, combiningRules]) {
    for (const rule of make(schema, compiler, certain)) rules.push(rule);
  }
  return rules;
}
