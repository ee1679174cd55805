import assert from "node:assert/strict";
import { findCaseVariant, foldCase } from "./case_variants.ts";

Deno.test("findCaseVariant() finds names that only differ in case", () => {
  const wanted = new Set(["name", "arguments", "task"]);
  assert.equal(findCaseVariant(["name", "arguments", "other"], wanted), undefined);
  assert.equal(findCaseVariant(["name", "Name"], wanted), "Name");
  assert.equal(findCaseVariant(["ARGUMENTS"], wanted), "ARGUMENTS");
  assert.equal(findCaseVariant(["argument\u017f"], wanted), "argument\u017f");
  assert.equal(findCaseVariant(["tas\u212a"], wanted), "tas\u212a");
});

Deno.test("findCaseVariant() accepts two wanted names that differ only in case", () => {
  assert.equal(findCaseVariant(["id", "ID"], new Set(["id", "ID"])), undefined);
  assert.equal(findCaseVariant(["Id"], new Set(["id", "ID"])), "Id");
});

Deno.test("foldCase() leaves lower case alone", () => {
  assert.equal(foldCase("_meta"), "_meta");
});

Deno.test("findCaseVariant() and foldCase() do not normalise long names, which takes quadratic time", () => {
  const long = `a${"\u0316\u0301".repeat(500_000)}`;
  const startedMs = performance.now();
  assert.equal(findCaseVariant([long], new Set(["name"])), undefined);
  assert.equal(foldCase(long), long);
  assert.ok(performance.now() - startedMs < 2_000);
});
