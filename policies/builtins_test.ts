import assert from "node:assert/strict";
import type { JsonValue } from "../core/json.ts";
import { BUILTINS } from "./builtins.ts";

function call(name: string, ...operands: JsonValue[]): JsonValue | undefined {
  const builtin = BUILTINS.get(name);
  assert.ok(builtin);
  return builtin(...operands);
}

Deno.test("BUILTINS match prefixes and suffixes as OPA does", () => {
  const cases: [string, JsonValue, JsonValue, boolean][] = [
    ["strings.any_prefix_match", "a/b/c", "a/b", true],
    ["strings.any_prefix_match", "a/b/c", ["x", "a/"], true],
    ["strings.any_prefix_match", ["x", "y", "abc"], ["ab"], true],
    ["strings.any_prefix_match", "abc", ["bc"], false],
    ["strings.any_prefix_match", "abc", [], false],
    ["strings.any_prefix_match", [], ["a"], false],
    ["strings.any_prefix_match", "abc", "", true],
    ["strings.any_suffix_match", "report.pdf", [".doc", ".pdf"], true],
    ["strings.any_suffix_match", "report.pdf", "report", false],
  ];
  for (const [name, search, base, expected] of cases) assert.equal(call(name, search, base), expected);
});

Deno.test("BUILTINS throw on operands of another type", () => {
  for (const name of BUILTINS.keys()) {
    for (const operand of [null, 1, true, {}, [1], ["a", null]]) {
      assert.throws(() => call(name, operand, "a"), TypeError);
      assert.throws(() => call(name, "a", operand), TypeError);
    }
  }
});
