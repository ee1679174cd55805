/**
 * What changed between two definitions of a tool, in the words of whoever must decide about it: which schemas take more or
 * less, which promises were given up, which text reads differently.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";
import { canonicalKey } from "./json_schema/canonical_key.ts";
import { type ChangeEffect, ChangeList, type ToolChange } from "./tool_changes.ts";
import { wordDiff } from "./word_diff.ts";

export type { ToolChange } from "./tool_changes.ts";

/**
 * Everything that differs, widened schemas first, and among them what was taken from a promise before what is new. Of each
 * effect so many, and how many more there are.
 */
export function toolDiff(before: JsonObject, after: JsonObject): readonly ToolChange[] {
  const changes = new ChangeList();
  for (const name of ["name", "title", "description"]) {
    diffText(before[name], after[name], `/${name}`, changes);
  }
  diffAnnotations(before.annotations, after.annotations, changes);
  for (const name of ["inputSchema", "outputSchema"]) {
    diffSchema(before[name], after[name], `/${name}`, changes);
  }
  return changes.ranked();
}

/** The changes as lines for a person. */
export function toolDiffText(changes: readonly ToolChange[]): string {
  return changes.map(({ effect, pointer, what }) => `${effect.padEnd(10)} ${pointer || "/"}: ${what}`).join(
    "\n",
  );
}

function diffText(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  pointer: string,
  changes: ChangeList,
) {
  if (isSame(before, after)) return;
  if (typeof before === "string" && typeof after === "string") {
    const what = changes.isFull("wording") ? "" : wordDiff(before, after, changes.comparison);
    changes.push({ effect: "wording", pointer, what, ...values(before, after) });
  } else push(changes, "wording", pointer, before, after);
}

/** What the protocol assumes of a tool that does not say. Source: MCP `ToolAnnotations`. */
const HINT_DEFAULTS: JsonObject = {
  readOnlyHint: false,
  destructiveHint: true,
  idempotentHint: false,
  openWorldHint: true,
};
/** The value of each hint that promises less. */
const RISKIER: JsonObject = HINT_DEFAULTS;

function diffAnnotations(before: JsonValue | undefined, after: JsonValue | undefined, changes: ChangeList) {
  if (isSame(before, after)) return;
  const [old, now] = [isJsonObject(before) ? before : {}, isJsonObject(after) ? after : {}];
  for (const name of unionOf(Object.keys(old), Object.keys(now))) {
    if (isSame(old[name], now[name])) continue;
    const hint = Object.hasOwn(HINT_DEFAULTS, name);
    const value = (of: JsonObject) => of[name] ?? (hint ? HINT_DEFAULTS[name] : undefined);
    const risk = hint && value(now) === RISKIER[name] && value(old) !== RISKIER[name]
      ? ", which promises less"
      : "";
    const what = `${quoted(old[name])} became ${quoted(now[name])}${risk}`;
    changes.push({
      effect: "annotation",
      pointer: `/annotations/${escaped(name)}`,
      what,
      ...values(old[name], now[name]),
    });
  }
}

/** Keywords whose value is a number: whether a greater one takes more. */
const BOUNDS: Readonly<Record<string, boolean>> = {
  maximum: true,
  exclusiveMaximum: true,
  maxLength: true,
  maxItems: true,
  maxProperties: true,
  maxContains: true,
  minimum: false,
  exclusiveMinimum: false,
  minLength: false,
  minItems: false,
  minProperties: false,
  minContains: false,
};
const TEXTS: ReadonlySet<string> = new Set(["title", "description", "$comment"]);
const NAMED_SCHEMAS: ReadonlySet<string> = new Set([
  ...["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"],
]);
const SCHEMAS: ReadonlySet<string> = new Set([
  ...[
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contains",
    "propertyNames",
  ],
  ...["if", "then", "else", "not"],
]);
const LISTS: ReadonlySet<string> = new Set(["allOf", "anyOf", "oneOf", "prefixItems"]);
/** Keywords that only forbid: gone is wider, new is narrower. */
const RESTRICTING: ReadonlySet<string> = new Set([
  ...[
    "pattern",
    "format",
    "const",
    "not",
    "multipleOf",
    "dependentRequired",
    "dependentSchemas",
    "propertyNames",
  ],
  ...[
    "contains",
    "if",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "enum",
    "type",
    "required",
  ],
  ...["uniqueItems", "allOf", ...Object.keys(BOUNDS)],
]);

function diffSchema(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  pointer: string,
  changes: ChangeList,
) {
  if (isSame(before, after)) return;
  if (!isJsonObject(before) || !isJsonObject(after)) {
    const isWider = after === true || after === undefined || before === false;
    const isNarrower = after === false || before === true || before === undefined;
    push(changes, isWider ? "widened" : isNarrower ? "narrowed" : "other", pointer, before, after);
    return;
  }
  for (const name of unionOf(Object.keys(before), Object.keys(after))) {
    if (isSame(before[name], after[name])) continue;
    diffKeyword(name, before, after, `${pointer}/${escaped(name)}`, changes);
  }
}

function diffKeyword(name: string, old: JsonObject, now: JsonObject, pointer: string, changes: ChangeList) {
  const [before, after] = [old[name], now[name]];
  if (TEXTS.has(name)) return diffText(before, after, pointer, changes);
  if (name === "properties") return diffProperties(old, now, pointer, changes);
  if (name === "required" || name === "enum" || name === "type") {
    return diffSet(name, before, after, pointer, changes);
  }
  const both = before !== undefined && after !== undefined;
  if (both && NAMED_SCHEMAS.has(name) && isJsonObject(before) && isJsonObject(after)) {
    for (const key of unionOf(Object.keys(before), Object.keys(after))) {
      diffSchema(before[key], after[key], `${pointer}/${escaped(key)}`, changes);
    }
    return;
  }
  if (both && LISTS.has(name) && Array.isArray(before) && Array.isArray(after)) {
    return diffList(name, before, after, pointer, changes);
  }
  // What an absent `additionalProperties` or `items` allows is anything.
  if (SCHEMAS.has(name) && name !== "not" && (both || name === "additionalProperties" || name === "items")) {
    return diffSchema(before ?? true, after ?? true, pointer, changes);
  }
  push(changes, effectOf(name, before, after), pointer, before, after);
}

function effectOf(name: string, before: JsonValue | undefined, after: JsonValue | undefined): ChangeEffect {
  const greaterIsWider = Object.hasOwn(BOUNDS, name) ? BOUNDS[name] : undefined;
  if (greaterIsWider !== undefined && typeof before === "number" && typeof after === "number") {
    return (after > before) === greaterIsWider ? "widened" : "narrowed";
  }
  if (RESTRICTING.has(name) && after === undefined) return "widened";
  if (RESTRICTING.has(name) && before === undefined) return "narrowed";
  // Nobody can say which of two patterns takes more: the operator must look.
  return RESTRICTING.has(name) ? "widened" : "other";
}

/** A new property is a new way to carry data; a property that became optional is told by `required`. */
function diffProperties(old: JsonObject, now: JsonObject, pointer: string, changes: ChangeList) {
  const before = isJsonObject(old.properties) ? old.properties : {};
  const after = isJsonObject(now.properties) ? now.properties : {};
  for (const name of unionOf(Object.keys(before), Object.keys(after))) {
    const below = `${pointer}/${escaped(name)}`;
    if (!Object.hasOwn(before, name)) {
      const kind = Array.isArray(now.required) && now.required.includes(name) ? "required" : "optional";
      const value = after[name];
      changes.push({
        effect: "widened",
        pointer: below,
        what: `new ${kind} property`,
        ...values(undefined, value),
      }, true);
    } else if (!Object.hasOwn(after, name)) {
      changes.push({
        effect: "narrowed",
        pointer: below,
        what: "property removed",
        ...values(before[name], undefined),
      });
    } else diffSchema(before[name], after[name], below, changes);
  }
}

/** `enum` and `type` grow wider, `required` narrower. */
function diffSet(
  name: "required" | "enum" | "type",
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  pointer: string,
  changes: ChangeList,
) {
  const [old, now] = [membersOf(before), membersOf(after)];
  const unlimited = name !== "required";
  const [oldSet, nowSet] = [keysOf(old), keysOf(now)];
  const added = before === undefined && unlimited ? [] : now.filter((one) => !oldSet.has(keyOf(one)));
  const removed = after === undefined && unlimited ? [] : old.filter((one) => !nowSet.has(keyOf(one)));
  const say = (effect: ChangeEffect, what: string) =>
    changes.push({ effect, pointer, what, ...values(before, after) });
  if (unlimited && before === undefined) return say("narrowed", `new limit: ${list(now)}`);
  if (unlimited && after === undefined) return say("widened", `no limit any more, was ${list(old)}`);
  if (added.length > 0) say(name === "required" ? "narrowed" : "widened", `now also ${list(added)}`);
  if (removed.length > 0) say(name === "required" ? "widened" : "narrowed", `no longer ${list(removed)}`);
}

function diffList(
  name: string,
  before: readonly JsonValue[],
  after: readonly JsonValue[],
  pointer: string,
  changes: ChangeList,
) {
  for (let index = 0; index < Math.max(before.length, after.length); index++) {
    const below = `${pointer}/${index}`;
    if (index < before.length && index < after.length) {
      diffSchema(before[index], after[index], below, changes);
    } else {
      const isAdded = index >= before.length;
      const alternatives = name === "anyOf" || name === "oneOf";
      push(changes, isAdded === alternatives ? "widened" : "narrowed", below, before[index], after[index]);
    }
  }
}

function keysOf(values: readonly JsonValue[]): ReadonlySet<string> {
  return new Set(values.map(keyOf));
}

function keyOf(value: JsonValue): string {
  return canonicalKey(value, { charge: () => {}, keys: new Map() });
}

function membersOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}

function push(
  changes: ChangeList,
  effect: ChangeEffect,
  pointer: string,
  before: JsonValue | undefined,
  after: JsonValue | undefined,
) {
  const what = before === undefined
    ? `new: ${quoted(after)}`
    : after === undefined
    ? `removed: ${quoted(before)}`
    : `${quoted(before)} became ${quoted(after)}`;
  changes.push({ effect, pointer, what, ...values(before, after) });
}

function values(before: JsonValue | undefined, after: JsonValue | undefined) {
  return { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
}

function list(values: readonly JsonValue[]): string {
  const shown = values.slice(0, 10).map((value) => quoted(value)).join(", ");
  return values.length > 10 ? `${shown} and ${values.length - 10} more` : shown;
}

function quoted(value: JsonValue | undefined): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 120 ? `${text.slice(0, 120).toWellFormed()}…` : text;
}

function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function unionOf(one: readonly string[], other: readonly string[]): readonly string[] {
  return [...new Set([...one, ...other])];
}

function isSame(one: JsonValue | undefined, other: JsonValue | undefined): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) || Array.isArray(other)) {
    return Array.isArray(one) && Array.isArray(other) && one.length === other.length &&
      one.every((member, index) => isSame(member, other[index]));
  }
  const [a, b] = [one as JsonObject, other as JsonObject];
  const names = Object.keys(a);
  return names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && isSame(a[name], b[name]));
}
