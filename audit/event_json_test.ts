import assert from "node:assert/strict";
import { canonicalJson } from "../core/canonical_json.ts";
import { parseEventJson } from "./event_json.ts";

const nested = (levels: number) => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;

Deno.test("parseEventJson() reads whatever canonicalJson() writes at most", () => {
  const event = JSON.parse(nested(128).replace("}", ',"n":[9007199254740991,-9007199254740991,1e-7,0.5]}'));
  assert.deepEqual(parseEventJson(canonicalJson(event)), event);
});

Deno.test("parseEventJson() refuses what some readers cannot read, and what is no object", () => {
  const big = ["9007199254740992", "-9007199254740992", "9007199254740992.4", "1e999", "1".repeat(5_000)];
  const texts = ["", "[1]", "null", "{", '{"a":NaN}', nested(129), nested(20_000)];
  for (const text of [...texts, ...big.map((number) => `{"a":[{"b":${number}}]}`)]) {
    assert.equal(parseEventJson(text), undefined, text.slice(0, 80));
  }
  assert.throws(() => canonicalJson(JSON.parse(nested(129))));
});
