/** What each keyword of JSON Schema asks of a value. */
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { canonicalKey, isEqual } from "./equality.ts";
import { type LinearPattern, linearPattern } from "./linear_pattern.ts";
import { type CheckRun, type Rule, type SchemaCompiler, SchemaUnusable } from "./schema_check.ts";

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
  for (const rule of [typeRule(schema), ...valueRules(schema)]) if (rule !== undefined) rules.push(rule);
  rules.push(...numberRules(schema), ...stringRules(schema, compiler, certain));
  rules.push(...objectRules(schema, compiler, certain), ...arrayRules(schema, compiler, certain));
  rules.push(...combiningRules(schema, compiler, certain));
  return rules;
}

function typeRule({ type }: JsonObject): Rule | undefined {
  if (type === undefined) return undefined;
  const types = new Set(Array.isArray(type) ? type : [type]);
  return (value, pointer, run) => {
    const found = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
    if (types.has(found) || (found === "number" && types.has("integer") && Number.isInteger(value))) return;
    run.add(pointer, "type");
  };
}

function valueRules(schema: JsonObject): (Rule | undefined)[] {
  const { enum: values } = schema;
  const isConst = Object.hasOwn(schema, "const");
  return [
    isConst
      ? (value, pointer, run) => void (isEqual(value, schema.const ?? null) || run.add(pointer, "const"))
      : undefined,
    Array.isArray(values)
      ? (value, pointer, run) => {
        run.left -= values.length / 8;
        if (!values.some((one) => isEqual(value, one))) run.add(pointer, "enum");
      }
      : undefined,
  ];
}

type Limit<Value> = readonly [string, (value: Value, limit: number) => boolean];

const NUMBER_LIMITS: readonly Limit<number>[] = [
  ["maximum", (value, limit) => value <= limit],
  ["minimum", (value, limit) => value >= limit],
  ["exclusiveMaximum", (value, limit) => value < limit],
  ["exclusiveMinimum", (value, limit) => value > limit],
  ["multipleOf", isMultiple],
];

function numberRules(schema: JsonObject): Rule[] {
  return limitRules(schema, NUMBER_LIMITS, (value) => typeof value === "number" ? value : undefined);
}

function limitRules<Value>(
  schema: JsonObject,
  limits: readonly Limit<Value>[],
  of: (value: JsonValue) => Value | undefined,
): Rule[] {
  return limits.flatMap(([keyword, holds]) => {
    const limit = schema[keyword];
    if (typeof limit !== "number") return [];
    return [(value: JsonValue, pointer: string, run: CheckRun) => {
      const measured = of(value);
      if (measured !== undefined && !holds(measured, limit)) run.add(pointer, keyword);
    }];
  });
}

/** Decimal fractions like 0.1 have no exact double: a quotient close to a whole number counts. */
function isMultiple(value: number, divisor: number): boolean {
  const quotient = value / divisor;
  if (!Number.isFinite(quotient)) return Number.isInteger(divisor) || value % divisor === 0;
  return Math.abs(quotient - Math.round(quotient)) <= Math.abs(quotient) * 4 * Number.EPSILON;
}

const AT_MOST: Limit<number>[1] = (value, limit) => value <= limit;
const AT_LEAST: Limit<number>[1] = (value, limit) => value >= limit;

function stringRules(schema: JsonObject, compiler: SchemaCompiler, certain: boolean): Rule[] {
  const limits: readonly Limit<string>[] = [
    ["maxLength", (text, limit) => text.length <= limit || codePoints(text) <= limit],
    ["minLength", (text, limit) => text.length >= limit && codePoints(text) >= limit],
  ];
  const rules = limitRules(schema, limits, (value) => typeof value === "string" ? value : undefined);
  if (typeof schema.pattern !== "string") return rules;
  const pattern = patternOf(schema.pattern, compiler, certain);
  if (pattern === undefined) return rules;
  return [...rules, (value, pointer, run) => {
    if (typeof value !== "string") return;
    run.left -= value.length / 64;
    if (!pattern.matches(value)) run.add(pointer, "pattern");
  }];
}

/** What cannot be matched in linear time is not checked, and must not stand where that would turn an answer around. */
function patternOf(source: string, compiler: SchemaCompiler, certain: boolean): LinearPattern | undefined {
  const pattern = linearPattern(source);
  if (pattern !== undefined) return pattern;
  if (certain) throw new SchemaUnusable("a pattern under another keyword takes a back-tracking engine");
  compiler.patternSkipped();
  return undefined;
}

function codePoints(text: string): number {
  let count = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0xdc00 || unit > 0xdfff) count++;
  }
  return count;
}

function objectRules(schema: JsonObject, compiler: SchemaCompiler, certain: boolean): Rule[] {
  const size = (value: JsonValue) => isJsonObject(value) ? Object.keys(value).length : undefined;
  const rules = limitRules(schema, [["maxProperties", AT_MOST], ["minProperties", AT_LEAST]], size);
  const { required } = schema;
  if (Array.isArray(required) && required.length > 0) rules.push(requiredRule(required, "required"));
  for (const [name, needed] of entriesOf(schema.dependentRequired, schema.dependencies)) {
    if (!Array.isArray(needed)) continue;
    const rule = requiredRule(needed, "dependentRequired");
    rules.push((value, pointer, run) =>
      void (isJsonObject(value) && Object.hasOwn(value, name) && rule(value, pointer, run))
    );
  }
  for (const [name, dependent] of entriesOf(schema.dependentSchemas, schema.dependencies)) {
    if (Array.isArray(dependent)) continue;
    const rule = compiler.compile(dependent, certain);
    rules.push((value, pointer, run) =>
      void (isJsonObject(value) && Object.hasOwn(value, name) && rule(value, pointer, run))
    );
  }
  const members = membersRule(schema, compiler, certain);
  if (members !== undefined) rules.push(members);
  return rules;
}

function entriesOf(...records: readonly (JsonValue | undefined)[]): [string, JsonValue][] {
  return records.flatMap((record) =>
    isJsonObject(record) ? Object.entries(record) as [string, JsonValue][] : []
  );
}

function requiredRule(names: readonly JsonValue[], keyword: string): Rule {
  return (value, pointer, run) => {
    if (!isJsonObject(value)) return;
    for (const name of names) {
      if (!Object.hasOwn(value, String(name))) run.add(pointerTo(pointer, String(name)), keyword);
    }
  };
}

/** Every member of an object, once: `properties`, `patternProperties`, `additionalProperties` and `propertyNames`. */
function membersRule(schema: JsonObject, compiler: SchemaCompiler, certain: boolean): Rule | undefined {
  const known = new Map(
    entriesOf(schema.properties).map(([name, part]) => [name, compiler.compile(part, certain)]),
  );
  const { additionalProperties } = schema;
  // A pattern that decides which members are additional must be matched.
  const isDeciding = additionalProperties !== undefined && additionalProperties !== true;
  const patterns = entriesOf(schema.patternProperties).flatMap(([source, part]) => {
    const pattern = patternOf(source, compiler, certain || isDeciding);
    return pattern === undefined ? [] : [{ pattern, rule: compiler.compile(part, certain) }];
  });
  const rest = isDeciding ? compiler.compile(additionalProperties, certain) : undefined;
  const naming = schema.propertyNames === undefined
    ? undefined
    : compiler.compile(schema.propertyNames, certain);
  if (known.size === 0 && patterns.length === 0 && rest === undefined && naming === undefined) {
    return undefined;
  }
  const isClosed = additionalProperties === false;
  return (value, pointer, run) => {
    if (!isJsonObject(value)) return;
    for (const name in value) {
      const member = value[name] ?? null;
      run.left -= 1 + patterns.length;
      const own = known.get(name);
      let isKnown = own !== undefined;
      if (own !== undefined) own(member, pointerTo(pointer, name), run);
      for (const { pattern, rule } of patterns) {
        if (!pattern.matches(name)) continue;
        isKnown = true;
        rule(member, pointerTo(pointer, name), run);
      }
      if (!isKnown && isClosed) run.add(pointerTo(pointer, name), "additionalProperties");
      else if (!isKnown && rest !== undefined) rest(member, pointerTo(pointer, name), run);
      if (naming !== undefined && !run.accepts(naming, name)) {
        run.add(pointerTo(pointer, name), "propertyNames");
      }
    }
  };
}

function arrayRules(schema: JsonObject, compiler: SchemaCompiler, certain: boolean): Rule[] {
  const length = (value: JsonValue) => Array.isArray(value) ? value.length : undefined;
  const rules = limitRules(schema, [["maxItems", AT_MOST], ["minItems", AT_LEAST]], length);
  if (schema.uniqueItems === true) rules.push(uniqueRule);
  const isList = Array.isArray(schema.items);
  const heads = isList ? schema.items : compiler.draft === "2020-12" ? schema.prefixItems : undefined;
  const first = Array.isArray(heads) ? heads.map((part: JsonValue) => compiler.compile(part, certain)) : [];
  const tail = isList ? schema.additionalItems : schema.items;
  const rest = tail === undefined || Array.isArray(tail) ? undefined : compiler.compile(tail, certain);
  if (first.length > 0 || rest !== undefined) {
    rules.push((value, pointer, run) => {
      if (!Array.isArray(value)) return;
      const end = rest === undefined ? Math.min(first.length, value.length) : value.length;
      for (let index = 0; index < end; index++) {
        (first[index] ?? rest!)(value[index], `${pointer}/${index}`, run);
      }
    });
  }
  if (schema.contains !== undefined) {
    rules.push(containsRule(schema, compiler.compile(schema.contains, true), compiler));
  }
  return rules;
}

const uniqueRule: Rule = (value, pointer, run) => {
  if (!Array.isArray(value) || value.length < 2) return;
  const seen = new Set<string>();
  for (const member of value) {
    const key = canonicalKey(member);
    if (seen.has(key)) return run.add(pointer, "uniqueItems");
    seen.add(key);
  }
};

function containsRule(schema: JsonObject, rule: Rule, { draft }: SchemaCompiler): Rule {
  const counts = draft === "2020-12";
  const least = counts && typeof schema.minContains === "number" ? schema.minContains : 1;
  const most = counts && typeof schema.maxContains === "number" ? schema.maxContains : Infinity;
  return (value, pointer, run) => {
    if (!Array.isArray(value)) return;
    const found = value.filter((member) => run.accepts(rule, member)).length;
    if (found < least || found > most) run.add(pointer, "contains");
  };
}

function combiningRules(schema: JsonObject, compiler: SchemaCompiler, certain: boolean): Rule[] {
  const list = (parts: JsonValue | undefined, isCertain: boolean) =>
    Array.isArray(parts) ? parts.map((part: JsonValue) => compiler.compile(part, isCertain)) : undefined;
  const rules = [...list(schema.allOf, certain) ?? []];
  const any = list(schema.anyOf, certain);
  if (any !== undefined) {
    rules.push((value, pointer, run) =>
      void (any.some((rule) => run.accepts(rule, value)) || run.add(pointer, "anyOf"))
    );
  }
  const one = list(schema.oneOf, true);
  if (one !== undefined) {
    rules.push((value, pointer, run) => {
      if (one.filter((rule) => run.accepts(rule, value)).length !== 1) run.add(pointer, "oneOf");
    });
  }
  if (schema.not !== undefined) {
    const not = compiler.compile(schema.not, true);
    rules.push((value, pointer, run) => void (run.accepts(not, value) && run.add(pointer, "not")));
  }
  if (schema.if !== undefined && (schema.then !== undefined || schema.else !== undefined)) {
    const condition = compiler.compile(schema.if, true);
    const [then, otherwise] = [
      compiler.compile(schema.then, certain),
      compiler.compile(schema.else, certain),
    ];
    rules.push((value, pointer, run) =>
      (run.accepts(condition, value) ? then : otherwise)(value, pointer, run)
    );
  }
  return rules;
}

function pointerTo(pointer: string, name: string): string {
  const escaped = name.includes("~") || name.includes("/")
    ? name.replaceAll("~", "~0").replaceAll("/", "~1")
    : name;
  return `${pointer}/${escaped}`;
}
