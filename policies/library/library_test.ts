import assert from "node:assert/strict";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { createPolicyEngine } from "../engine.ts";
import { loadDefaultPolicy } from "./library.ts";
import sha256File from "./default.wasm.sha256" with { type: "text" };

const BOOLEANS = [undefined, false, true];

function document(
  named_exactly: JsonValue | undefined,
  annotations: JsonObject,
  method = "tools/call",
): JsonObject {
  return {
    call: { id: "1", upstream: "acme", method, name: "pay_invoice", arguments: {}, received_at: 1 },
    tool: { known: true, annotations },
    principal: { tenant: "default", agent: "billing" },
    facts: { capability: { named_exactly } },
  };
}

/** The default policy in TypeScript: the meaning that its Wasm is held against. */
function expected(
  named: JsonValue | undefined,
  readOnly: boolean | undefined,
  destructive: boolean | undefined,
) {
  if (named === true) return "allow named_exactly";
  if (destructive === true) return "escalate destructive";
  return readOnly === true ? "allow read_only" : "escalate not_read_only";
}

Deno.test("loadDefaultPolicy() gives the Wasm that default.wasm.sha256 names", () => {
  const policy = loadDefaultPolicy();
  assert.equal(`${policy.digest}  default.wasm\n`, sha256File);
  assert.equal(policy.name, "default");
  assert.match(policy.source, /^package intentgate$/m);
});

Deno.test("the default policy decides every combination of naming and annotations", () => {
  const engine = createPolicyEngine(loadDefaultPolicy().wasm);
  for (const named of [...BOOLEANS, null, 1, "true"]) {
    for (const readOnlyHint of BOOLEANS) {
      for (const destructiveHint of BOOLEANS) {
        const result = engine.evaluate(document(named, { readOnlyHint, destructiveHint }));
        const answer = `${result.decision} ${result.code}`;
        const hints = `named ${named}, readOnly ${readOnlyHint}, destructive ${destructiveHint}`;
        assert.equal(answer, expected(named, readOnlyHint, destructiveHint), hints);
      }
    }
  }
});

Deno.test("the default policy allows prompts and resources under a capability token", () => {
  const engine = createPolicyEngine(loadDefaultPolicy().wasm);
  for (const method of ["prompts/get", "resources/read", "completion/complete", "resources/subscribe"]) {
    const result = engine.evaluate(document(false, {}, method));
    assert.deepEqual([result.decision, result.code], ["allow", "granted"]);
    const blocked = engine.evaluate({ ...document(false, {}, method), facts: {} });
    assert.deepEqual([blocked.decision, blocked.code], ["block", "not_covered"]);
  }
});

Deno.test("the default policy blocks what is not asked for under a capability token", () => {
  const engine = createPolicyEngine(loadDefaultPolicy().wasm);
  const whole = document(true, { readOnlyHint: true });
  const uncovered = [
    {},
    ...["tools/list", "resources/list", "prompts/list", "logging/setLevel", ""].map((method) =>
      document(true, {}, method)
    ),
    { ...whole, principal: undefined },
    { ...whole, facts: {} },
    { ...whole, facts: { capability: null } },
    { ...whole, call: undefined },
  ];
  for (const input of uncovered) {
    const result = engine.evaluate(input);
    assert.deepEqual([result.decision, result.code], ["block", "not_covered"], JSON.stringify(input));
  }
});

Deno.test("the default policy's reasons repeat nothing of the call", () => {
  const engine = createPolicyEngine(loadDefaultPolicy().wasm);
  for (const named of [true, false]) {
    for (const annotations of [{}, { readOnlyHint: true }, { destructiveHint: true }]) {
      assert.match(engine.evaluate(document(named, annotations)).reason ?? "", /^The token [a-z -]+$/);
    }
  }
});

Deno.test("the default policy lists what it does not block: everything within the token", () => {
  const engine = createPolicyEngine(loadDefaultPolicy().wasm);
  const listing = (input: JsonObject) => engine.mayList({ ...input, listing: true });
  for (const annotations of [{}, { readOnlyHint: true }, { destructiveHint: true }]) {
    for (const named of [undefined, false, true]) assert.equal(listing(document(named, annotations)), true);
  }
  for (const method of ["prompts/get", "resources/read"]) {
    assert.equal(listing(document(false, {}, method)), true);
  }
  for (const method of ["tools/list", "initialize"]) assert.equal(listing(document(true, {}, method)), false);
  assert.equal(listing({ ...document(true, {}), facts: {} }), false);
});
