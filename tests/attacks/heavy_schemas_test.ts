/** Schemas that an upstream wrote and values that an agent or an upstream sent, made to hold the thread that serves calls. */
import assert from "node:assert/strict";
import process from "node:process";
import fc from "fast-check";
import { findArgumentCaseVariant } from "../../core/argument_names.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { compileSchema, type SchemaCheck, SchemaUnusable } from "../../core/json_schema/schema_check.ts";
import { findRefusedArgument, MAX_ARGS_VISITS } from "../../core/token/args_check.ts";
import { parseArgsSchema } from "../../core/token/args_schema.ts";
import { MAX_DEFINITION_LENGTH } from "../../core/tool_digest.ts";

/** Most that one step may take on a machine of CI, other work beside it aside. */
const BOUND_MS = 100;

/** What the work takes of the processor, at best: a busy machine adds to it, and never takes from it. */
function leastMs(work: () => void): number {
  let least = Infinity;
  for (let round = 0; round < 5 && least > BOUND_MS / 2; round++) {
    const [startedMs, before] = [performance.now(), process.cpuUsage()];
    work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, performance.now() - startedMs, (user + system) / 1_000);
  }
  return least;
}

function assertQuick(work: () => void, what: string): void {
  const tookMs = leastMs(work);
  assert.ok(tookMs < BOUND_MS, `${what}: ${Math.round(tookMs)} ms`);
}

/** Reads the schema and checks the value; both must be quick. */
function assertBounded(schema: JsonValue, value: JsonValue, what: string): void {
  const text = JSON.stringify(schema);
  const isWhole = text.length <= MAX_DEFINITION_LENGTH;
  assert.ok(isWhole, `${what}: a definition of ${text.length} characters is not read at all`);
  let check: SchemaCheck | undefined;
  assertQuick(() => {
    try {
      check = compileSchema(parsed(text));
    } catch (error) {
      // A schema that is refused is a schema that costs nothing more.
      assert.ok(error instanceof SchemaUnusable || error instanceof RangeError, String(error));
    }
  }, `reading ${what}`);
  assertQuick(() => check?.violations(value), `checking ${what}`);
  assertQuick(() => findArgumentCaseVariant(value, parsed(text)), `names of ${what}`);
}

const parsed = (text: string): JsonObject => ({ ...JSON.parse(text) });
const many = <Item>(count: number, make: (index: number) => Item) =>
  Array.from({ length: count }, (_, at) => make(at));
const sent = <Value extends JsonValue>(value: Value): Value => JSON.parse(JSON.stringify(value));
const record = (count: number, name: (index: number) => string, value: JsonValue): JsonObject =>
  Object.fromEntries(many(count, (at) => [name(at), value]));
const all = (count: number, schema: JsonValue): JsonObject => ({ allOf: many(count, () => schema) });
const onceInside = (levels: number, wrap: (inner: JsonValue) => JsonValue, inner: JsonValue): JsonValue =>
  levels === 0 ? inner : wrap(onceInside(levels - 1, wrap, inner));

/** Letters in no order, so that a matcher finds itself in ever new states. */
function noise(length: number): string {
  let state = 1;
  return many(length, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return "ab"[(state >>> 16) & 1];
  }).join("");
}

/** As large as bodies get, each in another way. */
const VALUES: Readonly<Record<string, JsonValue>> = {
  numbers: sent(many(400_000, (at) => at)),
  empties: sent(many(300_000, () => ({}))),
  objects: sent(many(80_000, (at) => ({ a: at, b: [at] }))),
  texts: sent(many(50_000, (at) => `text ${at} ${"y".repeat(50)}`)),
  members: sent(record(80_000, (at) => `k${at}`, 0)),
  "long names": sent(record(2_000, (at) => `${"x".repeat(1_000)}${at}`, {})),
  "combining names": sent(record(8_000, (at) => `${at}${"\u0301\u0323".repeat(122)}`, {})),
  text: "x".repeat(4_000_000),
  letters: many(300_000, (at) => String.fromCodePoint(0x4e00 + at % 20_000)).join(""),
  noise: noise(200_000),
  deep: sent(onceInside(30, (inner) => [inner, ...many(2_000, (at) => at)], 0)),
  small: sent({ a: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", b: [1, 2, 3] }),
};

const DOUBLING: JsonObject = {
  $ref: "#/$defs/d59",
  $defs: Object.fromEntries(many(60, (at) => {
    const below = { $ref: `#/$defs/d${at - 1}` };
    return [`d${at}`, at === 0 ? { type: "string" } : { allOf: [below, { anyOf: [below, below] }] }];
  })),
};

const SCHEMAS: Readonly<Record<string, JsonValue>> = {
  uniqueItems: all(4_990, { uniqueItems: true }),
  "uniqueItems inside each other": onceInside(40, (items) => ({ uniqueItems: true, items }), true),
  minProperties: all(4_990, { minProperties: 1 }),
  lengths: all(2_400, { minLength: 3_000_000, maxLength: 5_000_000 }),
  "enum of objects": { enum: many(40_000, () => ({})) },
  "many enums": all(4_000, { enum: ["a", {}, []] }),
  const: all(4_000, { const: { a: 1 } }),
  "const of items": { items: all(4_000, { const: [1] }) },
  additionalProperties: all(2_400, { additionalProperties: { type: "number" } }),
  propertyNames: all(2_400, { propertyNames: true }),
  properties: all(2_400, { properties: { q: true } }),
  "items true": all(4_900, { items: true }),
  "items of items": all(2_000, { items: { items: { type: "integer" } } }),
  contains: all(2_000, { contains: { type: "string" }, maxContains: 9 }),
  "anyOf false": { items: { anyOf: many(20_000, () => false) } },
  oneOf: { items: { oneOf: many(2_000, () => ({ const: "x" })) } },
  "oneOf inside each other": onceInside(7, (inner) => ({ oneOf: [inner, inner, inner] }), { minLength: 1 }),
  required: { items: { required: many(20_000, () => "a") } },
  dependentRequired: { items: { dependentRequired: record(6_000, (at) => `b${at}`, ["x"]) } },
  dependentSchemas: { items: { dependentSchemas: { a: all(3_000, { type: "object" }) } } },
  prefixItems: all(50, { prefixItems: many(400, () => true) }),
  if: all(1_600, { if: { type: "object" }, then: { minProperties: 5 } }),
  not: all(2_000, { not: { enum: [[1]] } }),
  multipleOf: { items: all(4_000, { multipleOf: 0.1 }) },
  doubling: DOUBLING,
  "itself for items": { items: { $ref: "#" }, additionalProperties: { $ref: "#" }, uniqueItems: true },
  "itself twice": {
    anyOf: [{ $ref: "#/$defs/a" }],
    $defs: {
      a: { anyOf: [{ $ref: "#/$defs/b" }, { $ref: "#/$defs/b" }] },
      b: { not: { $ref: "#/$defs/a" } },
    },
  },
  "anchors that are not there": all(2_500, { $ref: "#nothing" }),
  "anchors behind others": {
    allOf: many(2_000, () => ({ $ref: "#z" })),
    $defs: { ...record(2_000, (at) => `a${at}`, { a: 1 }), z: { $anchor: "z" } },
  },
  "a long reference": all(10, { $ref: `#/$defs/${"a/".repeat(3_000)}` }),
  "properties of items": { items: { properties: record(5_000, (at) => `p${at}`, true) } },
  "combined names": { additionalProperties: { $ref: "#" }, ...all(4_000, { properties: { Q: {} } }) },
  "pattern that grows": { pattern: `${".{0,1000}".repeat(20)}[yz]` },
  "pattern just small enough": { pattern: `${".{0,480}".repeat(5)}[yz]` },
  "pattern of empties": { pattern: "(x?){1600}q" },
  "pattern with many states": { pattern: "[ab]*a[ab]{50}c" },
  "pattern of properties": { pattern: "[^\\p{L}\\p{N}][^\\p{L}\\p{Script=Greek}\\p{Lu}]" },
  "simple pattern": { pattern: "^[a-z]*$", items: { pattern: "^text" } },
  "a hundred long patterns": {
    properties: Object.fromEntries(
      many(100, (at) => [`p${at}`, { pattern: `${".{1000}".repeat(138)}${at}` }]),
    ),
  },
  "thousands of patterns": {
    items: { allOf: many(4_000, (at) => ({ pattern: `a${at}` })) },
    allOf: [{ pattern: "a" }],
  },
  "patterns of members": {
    patternProperties: Object.fromEntries(many(3_000, (at) => [`[a-j]*${at}$`, true])),
  },
  "properties of Unicode": {
    allOf: ["L", "N", "P", "S", "Z", "Lu", "Ll", "Lt"].map((name) => ({
      pattern: `\\p{${name}}`,
      items: { pattern: `\\P{${name}}` },
    })),
  },
  "many types": { items: all(3_500, { type: ["string", "number"] }) },
};

for (const [name, schema] of Object.entries(SCHEMAS)) {
  Deno.test(`a schema holds no thread, whatever the value: ${name}`, () => {
    for (const [what, value] of Object.entries(VALUES)) {
      assertBounded(schema, value, `"${name}" with "${what}"`);
    }
  });
}

/** Makes a schema that is written in about so many characters. */
type Maker = (room: number) => JsonValue;

/** Any nesting of any keywords, each with as many repetitions of what is below as there is room for. */
const { schema: HOSTILE } = fc.letrec<{ schema: Maker }>((tie) => {
  const below = tie("schema");
  const times = fc.constantFrom(1, 2, 7, 60, 400);
  const repeated = (make: (count: number, part: JsonValue) => JsonValue) =>
    fc.tuple(times, below).map(([count, inner]): Maker => (room) => {
      const part = inner(room / 2);
      const fitting = Math.floor(room / (JSON.stringify(part).length + 20));
      return make(Math.max(1, Math.min(count, fitting)), part);
    });
  const listed = (keyword: string) => repeated((count, part) => ({ [keyword]: many(count, () => part) }));
  const named = (keyword: string, name: (at: number) => string) =>
    repeated((count, part) => ({ [keyword]: record(count, name, part) }));
  const together = (...keywords: readonly string[]) =>
    fc.tuple(...keywords.map(() => below)).map((parts): Maker => (room) =>
      Object.fromEntries(keywords.map((keyword, at) => [keyword, parts[at]!(room / keywords.length - 20)]))
    );
  const leaves: readonly JsonValue[] = [
    ...[true, false, { uniqueItems: true }, { minProperties: 1 }, { minLength: 2_000_000 }, { const: [{}] }],
    ...[{ enum: many(300, (at) => [at]) }, { pattern: "(a|b)*a[ab]{9}$" }, { pattern: ".{0,300}q" }, {
      type: "null",
    }],
    ...[{ required: many(300, () => "a") }, { multipleOf: 0.01 }, { $ref: "#" }, { maxItems: 3 }],
  ];
  return {
    schema: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(...leaves).map((leaf): Maker => () => leaf),
      ...["allOf", "anyOf", "oneOf", "prefixItems"].map(listed),
      ...["items", "contains", "not", "additionalProperties", "propertyNames"].map((keyword) =>
        together(keyword)
      ),
      named("properties", (at) => `k${at}`),
      named("patternProperties", (at) => `^[a-z]+${at}`),
      named("dependentSchemas", (at) => at === 0 ? "a" : `k${at}`),
      together("if", "then", "else"),
      together("items", "additionalProperties").map((make): Maker => (room) => ({
        ...make(room) as JsonObject,
        uniqueItems: true,
      })),
    ),
  };
});

Deno.test("no schema out of a generator holds a thread, whatever the value", () => {
  fc.assert(
    fc.property(HOSTILE, fc.constantFrom(...Object.keys(VALUES)), (make, name) => {
      const whole = { allOf: [make(MAX_DEFINITION_LENGTH / 2)] };
      fc.pre(JSON.stringify(whole).length <= MAX_DEFINITION_LENGTH);
      assertBounded(whole, VALUES[name]!, `${JSON.stringify(whole).slice(0, 400)} with "${name}"`);
    }),
    { numRuns: 100 },
  );
});

Deno.test("a schema of a token holds no thread, whatever the arguments", () => {
  const inside = (node: JsonObject): JsonObject => ({
    type: "object",
    properties: { v: node },
    additionalProperties: true,
  });
  const list = (items: JsonObject): JsonObject => ({ type: "array", items });
  const open = {
    type: "object",
    properties: { q: { type: "string", optional: true } },
    additionalProperties: true,
  };
  const schemas: readonly JsonObject[] = [
    inside({ type: "string", minLength: 1, maxLength: 9_000_000 }),
    inside({ type: "string", glob: "*a".repeat(300) }),
    inside(list({ type: "string", glob: "*a*b".repeat(500), minLength: 1 })),
    inside(list({ type: "string", enum: many(2_000, (at) => `a${at}`) })),
    inside(list({ type: "number", enum: many(3_000, (at) => -at) })),
    inside(list(open)),
    inside(list({ type: "object", required: many(1_500, (at) => `a${at}`) })),
    inside(open),
    inside(list(list({ type: "integer", minimum: 0 }))),
  ];
  for (const schema of schemas) {
    const node = parseArgsSchema(schema);
    for (const [what, value] of Object.entries(VALUES)) {
      assertQuick(
        () => void findRefusedArgument(node, { v: value }, { left: MAX_ARGS_VISITS }),
        `${JSON.stringify(schema).slice(0, 80)} with "${what}"`,
      );
    }
  }
});
