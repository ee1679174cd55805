import assert from "node:assert/strict";
import { findArgumentCaseVariant } from "./argument_names.ts";

const schema = {
  type: "object",
  properties: {
    amount: { type: "integer" },
    lines: { type: "array", items: { properties: { price: { type: "number" } } } },
  },
};

Deno.test("findArgumentCaseVariant() accepts exact names and names that match nothing", () => {
  assert.equal(findArgumentCaseVariant({ amount: 1, note: "x", lines: [{ price: 1 }] }, schema), undefined);
});

Deno.test("findArgumentCaseVariant() finds a variant at the top, in arrays and beside the exact name", () => {
  assert.equal(findArgumentCaseVariant({ Amount: 1 }, schema), "/Amount");
  assert.equal(findArgumentCaseVariant({ amount: 1, AMOUNT: 999 }, schema), "/AMOUNT");
  assert.equal(findArgumentCaseVariant({ lines: [{ price: 1 }, { Price: 2 }] }, schema), "/lines/1/Price");
});

Deno.test("findArgumentCaseVariant() sees through special case folding", () => {
  // U+017F folds to "s", U+212A to "k"
  assert.equal(findArgumentCaseVariant({ "line\u017F": [] }, schema), "/line\u017F");
});

Deno.test("findArgumentCaseVariant() follows references, combinations and additional properties", () => {
  const tangled = {
    $defs: {
      Line: { properties: { price: {} } },
      Loop: { properties: { next: { $ref: "#/$defs/Loop" }, end: {} } },
    },
    properties: {
      line: { $ref: "#/$defs/Line" },
      either: { anyOf: [{ type: "null" }, { $ref: "#/$defs/Line" }] },
      loop: { $ref: "#/$defs/Loop" },
      pair: { prefixItems: [{}, { properties: { right: {} } }] },
    },
    additionalProperties: { properties: { extra: {} } },
    allOf: [{ properties: { amount: {} } }],
  };
  const cases: [Parameters<typeof findArgumentCaseVariant>[0], string | undefined][] = [
    [{ line: { price: 1 }, either: { price: 2 }, amount: 3, other: { extra: 1 } }, undefined],
    [{ line: { Price: 1 } }, "/line/Price"],
    [{ either: { PRICE: 1 } }, "/either/PRICE"],
    [{ Amount: 1 }, "/Amount"],
    [{ loop: { next: { next: { END: 1 } } } }, "/loop/next/next/END"],
    [{ pair: [{ Right: 1 }, { Right: 1 }] }, "/pair/1/Right"],
    [{ other: { Extra: 1 } }, "/other/Extra"],
  ];
  for (const [value, path] of cases) assert.equal(findArgumentCaseVariant(value, tangled), path);
});

Deno.test("findArgumentCaseVariant() ends on endless references and refuses what is too tangled", () => {
  const endless = { $ref: "#", allOf: [{ $ref: "#" }], properties: { a: { $ref: "#" } } };
  assert.equal(findArgumentCaseVariant({ a: { a: { b: 1 } } }, endless), undefined);
  const wide = { anyOf: Array.from({ length: 60_000 }, () => ({ properties: { a: {} } })) };
  assert.equal(findArgumentCaseVariant({ a: { b: 1 } }, wide), "");
});

Deno.test("findArgumentCaseVariant() looks through thousands of items, and at branches of conditions", () => {
  const items = {
    items: { properties: Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`p${at}`, {}])) },
  };
  const rows = Array.from({ length: 50_000 }, () => ({ p1: 1, other: [] }));
  assert.equal(findArgumentCaseVariant(rows, items), undefined);
  assert.equal(findArgumentCaseVariant([...rows.slice(1), { P1: 1 }], items), "/49999/P1");
  const branches = {
    then: { properties: { one: {} } },
    else: { properties: { two: {} } },
    dependentSchemas: { a: { $ref: "#three" } },
    $defs: { c: { $anchor: "three", properties: { three: {} } } },
  };
  for (const name of ["One", "TWO", "thRee"]) {
    assert.equal(findArgumentCaseVariant({ [name]: 1 }, branches), `/${name}`);
  }
});
