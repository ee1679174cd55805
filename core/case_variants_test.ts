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
