import assert from "node:assert/strict";
import canonicalize from "canonicalize";
import fc from "fast-check";
import { canonicalJson } from "./canonical_json.ts";
import type { JsonObject } from "./json.ts";

Deno.test("canonicalJson() writes the example of RFC 8785", () => {
  const sample = {
    numbers: [333333333.33333329, 1e-27, 4.50, 2e-3, 0.000000000000000000000000001],
    string: "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"\u002f",
    literals: [null, true, false],
  };
  assert.equal(
    canonicalJson(sample),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e-27,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

Deno.test("canonicalJson() sorts names by UTF-16 unit and drops undefined members", () => {
  assert.equal(
    canonicalJson({ "\ufb33": 1, "😀": 2, "€": 3, b: undefined, a: -0 }),
    '{"a":0,"€":3,"😀":2,"\ufb33":1}',
  );
});

const UNREADABLE: readonly (readonly [string, unknown])[] = [
  ["an integer beyond 2^53-1", { a: 2 ** 53 }],
  ["a large float without fraction", { a: [-1e20] }],
  ["NaN", { a: NaN }],
  ["Infinity", { a: { b: -Infinity } }],
  ["a lone surrogate in a value", { a: ["\ud800"] }],
  ["a lone surrogate in a name", { "\udc00": 1 }],
  ['a lone surrogate beside a name like "10"', { "10": "\ud800" }],
  ["U+0000 in a value", { a: "x\0y" }],
  ["U+0000 in a name", { "\0": 1 }],
  ["undefined in an array", { a: [undefined] }],
  ["a hole in an array", { a: new Array(2) }],
  ["a bigint", { a: 1n }],
  ["a function", { a: () => 1 }],
  ["a date", { a: new Date(0) }],
  ["a map", { a: new Map() }],
];
for (const [what, value] of UNREADABLE) {
  Deno.test(`canonicalJson() refuses ${what}`, () => {
    assert.throws(() => canonicalJson(value as JsonObject), {
      name: "GatewayError",
      code: "audit_event_invalid",
    });
  });
}

Deno.test("canonicalJson() refuses endless values", () => {
  const endless: Record<string, unknown> = {};
  endless.self = endless;
  assert.throws(() => canonicalJson(endless as JsonObject), { code: "audit_event_invalid" });
});

const text = fc.string({ unit: "binary" }).filter((sample) => !sample.includes("\0"));
const name = text.filter((sample) => sample !== "__proto__");
const number = fc.double({ noNaN: true, noDefaultInfinity: true })
  .filter((sample) => !Object.is(sample, -0) && (!Number.isInteger(sample) || Number.isSafeInteger(sample)));
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    fc.constantFrom(null, true, false),
    number,
    text,
    fc.array(tie("any")),
    fc.dictionary(name, tie("any"), { noNullPrototype: true }),
  ),
})).any;
const object = fc.dictionary(name, value, { noNullPrototype: true }) as fc.Arbitrary<JsonObject>;

Deno.test("canonicalJson() can be read back as the same value", () => {
  fc.assert(fc.property(object, (sample) => assert.deepEqual(JSON.parse(canonicalJson(sample)), sample)));
});

Deno.test("canonicalJson() does not depend on the order of names", () => {
  fc.assert(fc.property(object, (sample) => {
    assert.equal(canonicalJson(reversed(sample) as JsonObject), canonicalJson(sample));
  }));
});

function reversed(sample: unknown): unknown {
  if (Array.isArray(sample)) return sample.map(reversed);
  if (typeof sample !== "object" || sample === null) return sample;
  return Object.fromEntries(Object.entries(sample).reverse().map(([key, member]) => [key, reversed(member)]));
}

Deno.test('canonicalJson() writes the same bytes as the reference library, also for names like "10"', () => {
  const tricky = fc.oneof(text, fc.constantFrom("__proto__", "constructor", "toJSON", "10", "9", "01", "1a"));
  const value = fc.letrec((tie) => ({
    any: fc.oneof(text, number, fc.boolean(), fc.constant(null), tie("list"), tie("object")),
    list: fc.array(tie("any"), { maxLength: 4 }),
    object: fc.dictionary(tricky, tie("any"), { maxKeys: 6 }),
  })).object;
  fc.assert(
    fc.property(value, (sample) => {
      assert.equal(canonicalJson(sample as JsonObject), canonicalize(sample));
    }),
    { numRuns: 3_000 },
  );
});
