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
