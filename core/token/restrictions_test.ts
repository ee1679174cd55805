import assert from "node:assert/strict";
import type { JsonObject, JsonValue } from "../json.ts";
import { HANDED_ON, parseRestrictions, type RestrictionName, RESTRICTIONS } from "./restrictions.ts";
import { TokenError } from "./token_error.ts";

/** One good value and several bad ones for every restriction: the table cannot grow without this growing. */
const VALUES: Readonly<Record<RestrictionName, { good: JsonValue; bad: readonly JsonValue[] }>> = {
  exp: { good: 1, bad: ["1", -1, 1.5, null, 1e12] },
  nbf: { good: 0, bad: ["1", -1, 1.5, null, 1e12] },
  upstreams: { good: ["*"], bad: ["*", [1], [""], null, ["a\n"], new Array(257).fill("a")] },
  methods: { good: [], bad: ["*", {}, [null]] },
  tools: { good: ["a", "b__c*"], bad: ["*", { a: 1 }, ["x".repeat(1025)], ["\u2028"]] },
  deny_tools: { good: ["a"], bad: ["a", 1] },
  prompts: { good: ["a"], bad: ["a", 1] },
  resources: { good: ["file:///**"], bad: ["file:///**", [""]] },
  args: { good: { "*": { type: "object" } }, bad: [[], null, { "*": {} }, { "": { type: "object" } }] },
  max_calls: { good: 0, bad: ["1", -1, 0.5, null, {}] },
  rate: {
    good: { calls: 1, per_seconds: 60 },
    bad: [1, { calls: 1 }, { calls: 1, per_seconds: 0 }, { calls: 1, per_seconds: 1, burst: 2 }],
  },
  max_cost: {
    good: { amount: "1.50", currency: "EUR", per_seconds: 60 },
    bad: [
      5,
      { amount: 1.5, currency: "EUR" },
      { amount: "-1", currency: "EUR" },
      { amount: "1", currency: "eur" },
      { amount: "1", currency: "EUR", per_seconds: 0 },
    ],
  },
  cnf: { good: { jkt: "A".repeat(43) }, bad: ["x", {}, { jkt: "A" }, { jkt: "A".repeat(43), jwk: {} }] },
};

Deno.test("parseRestrictions() reads every restriction of the table and refuses wrong forms", () => {
  assert.deepEqual(Object.keys(VALUES).sort(), Object.keys(RESTRICTIONS).sort());
  for (const [name, { good, bad }] of Object.entries(VALUES)) {
    assert.deepEqual(parseRestrictions({ [name]: good }).names, [name]);
    for (const value of bad) {
      assert.throws(
        () => parseRestrictions({ [name]: value }),
        TokenError,
        `${name}: ${JSON.stringify(value)}`,
      );
    }
  }
});

Deno.test("parseRestrictions() hands on exactly what another check enforces", () => {
  const all: JsonObject = Object.fromEntries(
    Object.entries(VALUES).map(([name, { good }]) => [name, good]),
  );
  const elsewhere = Object.entries(RESTRICTIONS).filter(([, check]) => check !== "capability");
  assert.deepEqual([...HANDED_ON].sort(), elsewhere.map(([name]) => name).sort());
  assert.deepEqual([...parseRestrictions(all).handedOn.keys()].sort(), [...HANDED_ON].sort());
});
