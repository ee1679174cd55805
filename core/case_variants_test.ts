import assert from "node:assert/strict";
import { DeclaredNames, foldCase } from "./case_variants.ts";

Deno.test("findVariant() finds names that only differ in case", () => {
  const declared = new DeclaredNames(["name", "arguments", "task"]);
  assert.equal(declared.findVariant(["name", "arguments", "other"]), undefined);
  assert.equal(declared.findVariant(["name", "Name"]), "Name");
  assert.equal(declared.findVariant(["ARGUMENTS"]), "ARGUMENTS");
  assert.equal(declared.findVariant(["argument\u017f"]), "argument\u017f");
  assert.equal(declared.findVariant(["tas\u212a"]), "tas\u212a");
});

Deno.test("findVariant() accepts two declared names that differ only in case", () => {
  const declared = new DeclaredNames(["id", "ID"]);
  assert.equal(declared.findVariant(["id", "ID"]), undefined);
  assert.equal(declared.findVariant(["Id"]), "Id");
});

Deno.test("foldCase() leaves lower case alone", () => {
  assert.equal(foldCase("_meta"), "_meta");
});

Deno.test("findVariant() and foldCase() do not normalise long names, which takes quadratic time", () => {
  const long = `a${"\u0316\u0301".repeat(500_000)}`;
  const startedMs = performance.now();
  assert.equal(new DeclaredNames(["name"]).findVariant([long]), undefined);
  assert.equal(foldCase(long), long);
  assert.ok(performance.now() - startedMs < 2_000);
});
