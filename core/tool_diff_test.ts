import assert from "node:assert/strict";
import type { JsonObject } from "./json.ts";
import { MAX_CHANGES_OF_AN_EFFECT } from "./tool_changes.ts";
import { toolDiff, toolDiffText } from "./tool_diff.ts";
import { wordDiff } from "./word_diff.ts";

const BASE: JsonObject = {
  name: "pay",
  description: "Pays an invoice by its number.",
  inputSchema: {
    type: "object",
    properties: {
      id: { type: "string", pattern: "^INV-", maxLength: 20 },
      currency: { enum: ["EUR", "USD"] },
      amount: { type: "number", maximum: 100, minimum: 1 },
    },
    required: ["id"],
    additionalProperties: false,
  },
  annotations: { readOnlyHint: true },
};

const property = (name: string, schema: JsonObject): JsonObject => {
  const { properties, ...rest } = BASE.inputSchema as JsonObject;
  return { ...BASE, inputSchema: { ...rest, properties: { ...properties as JsonObject, [name]: schema } } };
};
const input = (changes: JsonObject): JsonObject => {
  const entries = Object.entries({ ...BASE.inputSchema as JsonObject, ...changes });
  return { ...BASE, inputSchema: Object.fromEntries(entries.filter(([, value]) => value !== undefined)) };
};
const lines = (after: JsonObject) =>
  toolDiff(BASE, after).map(({ effect, pointer, what }) => `${effect} ${pointer}: ${what}`);

const CASES: readonly (readonly [string, JsonObject, readonly string[]])[] = [
  ["nothing", { ...BASE }, []],
  ["a new property", property("cc", { type: "string" }), [
    "widened /inputSchema/properties/cc: new optional property",
  ]],
  ["a pattern that is gone", property("id", { type: "string", maxLength: 20 }), [
    'widened /inputSchema/properties/id/pattern: removed: "^INV-"',
  ]],
  ["another pattern", property("id", { type: "string", pattern: ".*", maxLength: 20 }), [
    'widened /inputSchema/properties/id/pattern: "^INV-" became ".*"',
  ]],
  ["a type that grew", property("id", { type: ["string", "null"], pattern: "^INV-", maxLength: 20 }), [
    'widened /inputSchema/properties/id/type: now also "null"',
  ]],
  ["a type that is gone", property("amount", { maximum: 100, minimum: 1 }), [
    'widened /inputSchema/properties/amount/type: no limit any more, was "number"',
  ]],
  ["an enum that grew and shrank", property("currency", { enum: ["EUR", "XXX"] }), [
    'widened /inputSchema/properties/currency/enum: now also "XXX"',
    'narrowed /inputSchema/properties/currency/enum: no longer "USD"',
  ]],
  ["bounds", property("amount", { type: "number", maximum: 1000, minimum: 5 }), [
    "widened /inputSchema/properties/amount/maximum: 100 became 1000",
    "narrowed /inputSchema/properties/amount/minimum: 1 became 5",
  ]],
  ["additional properties", input({ additionalProperties: undefined }), [
    "widened /inputSchema/additionalProperties: false became true",
  ]],
  ["what is required", input({ required: ["amount"] }), [
    'widened /inputSchema/required: no longer "id"',
    'narrowed /inputSchema/required: now also "amount"',
  ]],
  ["annotations", { ...BASE, annotations: { destructiveHint: true } }, [
    "annotation /annotations/readOnlyHint: true became nothing, which promises less",
    "annotation /annotations/destructiveHint: nothing became true",
  ]],
  ["wording", { ...BASE, description: "Pays any invoice by its number." }, [
    "wording /description: Pays [-an -]{+any +}invoice by its …",
  ]],
  ["an output schema", { ...BASE, outputSchema: { type: "object" } }, [
    'narrowed /outputSchema: new: {"type":"object"}',
  ]],
  ["an output schema that is gone", BASE, []],
];

for (const [what, after, expected] of CASES) {
  Deno.test(`toolDiff() tells ${what}`, () => assert.deepEqual(lines(after), expected));
}

Deno.test("toolDiff() looks into combined, referenced and nested schemas", () => {
  const tool = (schema: JsonObject) => ({ name: "t", inputSchema: schema });
  const before = tool({
    anyOf: [{ type: "string" }],
    $defs: { a: { type: "integer" } },
    items: { maxLength: 1 },
  });
  const after = tool({
    ...{ anyOf: [{ type: "string" }, { type: "object" }], $defs: { a: { type: "number" } } },
    items: { maxLength: 2 },
  });
  assert.deepEqual(toolDiff(before, after).map(({ effect, pointer }) => `${effect} ${pointer}`), [
    "widened /inputSchema/anyOf/1",
    "widened /inputSchema/$defs/a/type",
    "widened /inputSchema/items/maxLength",
    "narrowed /inputSchema/$defs/a/type",
  ]);
  assert.match(
    toolDiffText(toolDiff(before, after)),
    /^widened {4}\/inputSchema\/anyOf\/1: new: \{"type":"object"\}\n/,
  );
});

/** A tool with so many properties, and one more. */
const flooded = (count: number, property: JsonObject, last: JsonObject): JsonObject => ({
  name: "pay",
  inputSchema: {
    properties: {
      ...Object.fromEntries(Array.from({ length: count }, (_, at) => [`a${at}`, property])),
      zz_amount: last,
    },
  },
});
const AMOUNT = { type: "number", maximum: 100 };

Deno.test("toolDiff() names a few of many changes of an effect, and how many more there are", () => {
  const before = flooded(5_000, { description: "one" }, AMOUNT);
  const after = flooded(5_000, { description: "two" }, AMOUNT);
  const changes = toolDiff(before, after);
  assert.equal(changes.length, MAX_CHANGES_OF_AN_EFFECT + 1);
  assert.deepEqual(changes.at(-1), {
    effect: "wording",
    pointer: "",
    what: `${5_000 - MAX_CHANGES_OF_AN_EFFECT} more changes like these`,
  });
});

Deno.test("toolDiff() shows a widened schema behind any number of other changes", () => {
  const widened = (before: JsonObject, after: JsonObject) =>
    toolDiff(before, after).filter(({ effect }) => effect === "widened").map(({ pointer }) => pointer);
  const amount = ["type", "maximum"].map((keyword) => `/inputSchema/properties/zz_amount/${keyword}`);
  for (
    const [old, now] of [
      [{ description: "old" }, { description: "new" }],
      [{ maximum: 2 }, { maximum: 1 }],
      [{ default: 1 }, { default: 2 }],
      [{ "x-own": 1 }, {}],
    ]
  ) {
    const found = widened(flooded(500, old!, AMOUNT), flooded(500, now!, {}));
    assert.deepEqual(found, amount, JSON.stringify(now));
  }
  // New properties widen, too, and come after what was taken from a promise.
  const added = widened(flooded(0, {}, AMOUNT), flooded(500, {}, {}));
  assert.deepEqual(added.slice(0, 2), amount);
  assert.equal(added.length, MAX_CHANGES_OF_AN_EFFECT + 1);
});

Deno.test("toolDiff() of long lists and long texts takes a moment", () => {
  const listed = (from: number) => ({
    name: "t",
    inputSchema: {
      required: Array.from({ length: 15_000 }, (_, at) => `${from + at}`),
      enum: Array.from({ length: 8_000 }, (_, at) => [from + at]),
    },
  });
  const words = (word: string) =>
    flooded(60, { description: Array.from({ length: 990 }, (_, at) => `${word}${at % 7}`).join(" ") }, {});
  const startedMs = performance.now();
  assert.equal(toolDiff(listed(0), listed(100_000)).length, 4);
  assert.equal(toolDiff(words("a"), words("b")).length, 60);
  assert.ok(performance.now() - startedMs < 2_000, `${performance.now() - startedMs} ms`);
});

Deno.test("wordDiff() shows what went and what came with words around it", () => {
  assert.equal(wordDiff("a b c", "a b c d"), "a b [-c-]{+c d+}");
  assert.equal(
    wordDiff("one two three four five six", "one two three four five seven"),
    "…three four five [-six-]{+seven+}",
  );
  assert.equal(wordDiff("", "all new"), "{+all new+}");
  const long = "word ".repeat(3_000);
  assert.ok(wordDiff(`${long}a${long}`, `x${long}`).length > 0);
});
