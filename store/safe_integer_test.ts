import assert from "node:assert/strict";
import { safeInteger } from "./safe_integer.ts";

Deno.test("safeInteger() reads text, bigint and number", () => {
  assert.equal(safeInteger("9007199254740991"), 9007199254740991);
  assert.equal(safeInteger("-3"), -3);
  assert.equal(safeInteger(7n), 7);
  assert.equal(safeInteger(0), 0);
});

Deno.test("safeInteger() refuses what is not exact or not a number", () => {
  for (const value of ["9007199254740993", "1.5", "x", null, undefined, NaN, {}]) {
    assert.throws(() => safeInteger(value), RangeError, String(value));
  }
});
