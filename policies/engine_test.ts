import assert from "node:assert/strict";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { createPolicyEngine } from "./engine.ts";
import { compilePolicyModule, createPolicyInstance } from "./instance.ts";
import smallPaymentsSource from "./testdata/small_payments.rego" with { type: "text" };
import {
  forbiddenBuiltinWasm,
  listedSetWasm,
  probeWasm,
  readOnlyWasm,
  smallPaymentsWasm,
} from "./testdata/testdata.ts";

const ALLOW = { decision: "allow", code: "fine" };
const failed = (pattern: RegExp) => (error: Error & { code?: string }) =>
  error.name === "GatewayError" && error.code === "policy_failed" && pattern.test(error.message);
const nested = (depth: number): JsonObject =>
  Array.from({ length: depth }).reduce<JsonObject>((inner) => ({ inner }), {});

Deno.test("createPolicyEngine() answers with what the policy decides", () => {
  const engine = createPolicyEngine(probeWasm());
  const answers = [
    ALLOW,
    { decision: "block", code: "no", reason: "Not this one" },
    { decision: "escalate", code: "ask", reason: "Zürich, 東京 and 🙂 must decide" },
  ];
  for (const answer of answers) assert.deepEqual(engine.evaluate({ answer }), answer);
});

Deno.test("createPolicyEngine() refuses odd answers and goes on", () => {
  const engine = createPolicyEngine(probeWasm());
  const odd: JsonValue[] = [null, true, 0, 1e308, "allow", [], [ALLOW], {}, { decision: "deny" }, {
    allow: true,
  }];
  for (const answer of odd) {
    assert.throws(() => engine.evaluate({ answer }), failed(/^Cannot use the policy's answer: /));
    assert.deepEqual(engine.evaluate({ answer: ALLOW }), ALLOW);
  }
});

Deno.test("createPolicyEngine() refuses an undefined decision", () => {
  const engine = createPolicyEngine(probeWasm());
  assert.throws(() => engine.evaluate({}), failed(/undefined for this input/));
  assert.throws(() => engine.evaluate({ answer: undefined }), failed(/undefined for this input/));
});

Deno.test("createPolicyEngine() refuses input that is no JSON", () => {
  const engine = createPolicyEngine(probeWasm());
  for (const number of [Number.NaN, Infinity, -Infinity]) {
    assert.throws(
      () => engine.evaluate({ answer: ALLOW, facts: { deep: [{ number }] } }),
      failed(/input holds/),
    );
  }
  assert.deepEqual(engine.evaluate({ answer: ALLOW }), ALLOW);
});

Deno.test("createPolicyEngine() never lets hostile input turn into an allow", () => {
  const engine = createPolicyEngine(probeWasm());
  for (
    const value of ["\ud800", "\0", "\u2028", nested(2_000), { ["\0"]: 1 }, { __proto__: null, toJSON: 1 }]
  ) {
    try {
      // OPA may understand the value or not; what it answers must be the answer that was asked for.
      assert.deepEqual(engine.evaluate({ answer: ALLOW, value }), ALLOW);
    } catch (error) {
      assert.ok(failed(/./)(error as Error), String(error));
    }
    assert.deepEqual(engine.evaluate({ answer: ALLOW }), ALLOW);
  }
});

Deno.test("createPolicyEngine() fails when two rules disagree, and a fresh instance serves the next call", () => {
  const engine = createPolicyEngine(probeWasm());
  for (let round = 0; round < 3; round++) {
    assert.throws(() => engine.evaluate({ conflict: ["one", "two"] }), failed(/gave up with/));
    assert.deepEqual(engine.evaluate({ answer: ALLOW }), ALLOW);
  }
});

Deno.test("createPolicyEngine() bounds the memory of one evaluation, and a fresh instance serves the next call", () => {
  const engine = createPolicyEngine(probeWasm(), { maxPages: 64 });
  assert.equal(engine.evaluate({ numbers: 1_000 }).code, "counted");
  assert.throws(() => engine.evaluate({ numbers: 1_000_000 }), failed(/^Cannot evaluate the policy: /));
  assert.deepEqual(engine.evaluate({ answer: ALLOW }), ALLOW);
  const long = "x".repeat(5 * 1024 * 1024);
  assert.throws(() => engine.evaluate({ answer: ALLOW, long }), failed(/more memory/));
  assert.deepEqual(engine.evaluate({ answer: ALLOW }), ALLOW);
});

Deno.test("createPolicyEngine() calls host builtins, and a builtin that throws is undefined and reported", () => {
  const errors: string[] = [];
  const engine = createPolicyEngine(probeWasm(), { onBuiltinError: (name) => errors.push(name) });
  const text = "INV-2026";
  assert.deepEqual(engine.evaluate({ text, prefixes: ["ACC", "INV"] }), {
    decision: "allow",
    code: "prefixed",
  });
  assert.throws(() => engine.evaluate({ text, prefixes: ["ACC"] }), failed(/undefined for this input/));
  assert.deepEqual(errors, []);
  assert.throws(() => engine.evaluate({ text, prefixes: [7] }), failed(/undefined for this input/));
  assert.deepEqual(errors, ["strings.any_prefix_match"]);
  assert.deepEqual(engine.evaluate({ answer: ALLOW }), ALLOW);
});

Deno.test("createPolicyEngine() refuses to load a policy that calls an unknown builtin, by name", () => {
  assert.throws(
    () => createPolicyEngine(forbiddenBuiltinWasm()),
    failed(/^Cannot load the policy: .*"http\.send"/),
  );
});

Deno.test("createPolicyEngine() refuses to load what is no policy", () => {
  const emptyModule = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  for (const wasm of [new Uint8Array(), Uint8Array.of(1, 2, 3), probeWasm().slice(0, 5_000), emptyModule]) {
    assert.throws(() => createPolicyEngine(wasm), failed(/^Cannot load the policy: /));
  }
});

Deno.test("createPolicyEngine() refuses to load a policy that does not fit into its memory", () => {
  assert.throws(() => createPolicyEngine(probeWasm(), { maxPages: 2 }), failed(/^Cannot load the policy: /));
});

Deno.test("createPolicyInstance() keeps its memory over 2,000 evaluations", () => {
  const instance = createPolicyInstance(compilePolicyModule(probeWasm()), {
    maxPages: 64,
    onBuiltinError: undefined,
  });
  const documents = [
    { answer: ALLOW, filler: "x".repeat(20_000) },
    { answer: ALLOW, filler: "\u{1f642}é東".repeat(5_000) },
    { numbers: 500 },
    { text: "INV-1", prefixes: ["INV"] },
  ].map((input) => JSON.stringify(input));
  for (const document of documents) instance.evaluate(document);
  const before = instance.memoryBytes();
  for (let round = 0; round < 2_000; round++) {
    const document = documents[round % documents.length];
    assert.ok(document);
    instance.evaluate(document);
  }
  assert.equal(instance.memoryBytes(), before);
});

Deno.test("mayList() lists what may_list says is true, and nothing that it leaves undefined", () => {
  const engine = createPolicyEngine(probeWasm());
  assert.equal(engine.mayList({ listed: true }), true);
  assert.equal(engine.mayList({ listed: false }), false);
  assert.equal(engine.mayList({}), false, "undefined");
  for (const listed of ["true", 1, 0, null, [], [true], { listed: true }]) {
    assert.throws(
      () => engine.mayList({ listed }),
      failed(/expected "may_list" to be true, false or undefined/),
    );
    assert.equal(engine.mayList({ listed: true }), true);
  }
});

Deno.test("createPolicyEngine() refuses to load a policy whose may_list is a set of names", () => {
  assert.throws(() => createPolicyEngine(listedSetWasm()), failed(/expected "may_list" to be true, false/));
});

Deno.test("mayList() of a policy without may_list lists what its decision does not block", () => {
  const engine = createPolicyEngine(readOnlyWasm());
  const tool = (readOnlyHint: boolean) => ({
    call: { method: "tools/call" },
    tool: { annotations: { readOnlyHint } },
  });
  const prompt = (name: string) => ({ call: { method: "prompts/get", name } });
  assert.equal(engine.mayList(tool(true)), true);
  assert.equal(engine.mayList(tool(false)), false);
  assert.equal(engine.mayList(prompt("greeting")), true, "an escalation may be approved");
  assert.equal(engine.mayList(prompt("other")), false);
});

Deno.test("mayList() fails when rules disagree, and a fresh instance serves the next question", () => {
  const engine = createPolicyEngine(probeWasm());
  assert.throws(() => engine.mayList({ listed: true, conflicting: [true, false] }), failed(/gave up/));
  assert.equal(engine.mayList({ listed: true }), true);
  assert.deepEqual(engine.evaluate({ answer: ALLOW }), ALLOW);
});

Deno.test("the example of policy_input.md allows small payments, and lists what pays before there is an amount", () => {
  const policyPage = Deno.readTextFileSync(new URL("../docs/reference/policy_input.md", import.meta.url));
  const [, example] = /```rego\n(.*?)```/s.exec(policyPage) ?? [];
  assert.equal(example, smallPaymentsSource);
  const engine = createPolicyEngine(smallPaymentsWasm());
  const call = (name: string, more: JsonObject = {}) => ({ call: { method: "tools/call", name, ...more } });
  assert.equal(engine.mayList({ listing: true, ...call("pay_invoice") }), true);
  assert.equal(engine.mayList({ listing: true, ...call("delete_vendor") }), false);
  const amount = (amount: number) => call("pay_invoice", { arguments: { amount } });
  assert.equal(engine.evaluate(amount(100)).decision, "allow");
  assert.equal(engine.evaluate(amount(101)).decision, "block");
});
