import assert from "node:assert/strict";
import type { JsonObject } from "../core/json.ts";
import type { CheckContext, Facts, ToolCall, ToolDefinition, Verdict } from "../plugins/contract.ts";
import { createPolicyEngine, type PolicyEngine, type PolicyResult } from "../policies/engine.ts";
import { loadDefaultPolicy } from "../policies/library/library.ts";
import { readOnlyWasm, smallPaymentsWasm } from "../policies/testdata/testdata.ts";
import { policy } from "./policy.ts";

const CONTEXT: CheckContext = { name: "policy", nowMs: () => 0, log: () => {} };
const CALL: ToolCall = {
  id: "0199aaaa-0000-7000-8000-000000000000",
  upstream: "acme",
  method: "tools/call",
  name: "delete_vendor",
  arguments: { vendor: "secret-vendor-17" },
  argumentsDigest: "d".repeat(64),
  receivedAtMs: 1_700_000_000_000,
  deadlineMs: 1_700_000_005_000,
  sourceIp: "127.0.0.1",
};
const PRINCIPAL = {
  tenant: "default",
  agent: "billing",
  block_ids: ["b0"],
  delegates: [],
  jti: "j",
  issued_at: 1,
  expires_at: 2,
};

function factsWith(named_exactly: boolean, annotations: JsonObject): Facts {
  const capability = { ...PRINCIPAL, named_exactly };
  return { principal: capability, capability, tool: { known: true, annotations } };
}

/** An engine that lists nothing. */
function answering(evaluate: (input: JsonObject) => PolicyResult): PolicyEngine {
  return { evaluate, mayList: () => false };
}

async function run(engine: PolicyEngine, facts: Facts, call = CALL): Promise<Verdict> {
  const definition = policy({ engine: () => engine, policyDigest: () => "ab".repeat(32) });
  const check = await definition.setup({}, CONTEXT);
  return await check.run(call, facts, new AbortController().signal);
}

Deno.test("policy() maps allow to pass with the policy's digest", async () => {
  const engine = createPolicyEngine(loadDefaultPolicy().wasm);
  assert.deepEqual(await run(engine, factsWith(true, { destructiveHint: true })), {
    kind: "pass",
    facts: { decision: "allow", policy_digest: "ab".repeat(32), code: "named_exactly" },
  });
});

Deno.test("policy() leaves out a code that the policy does not give", async () => {
  const verdict = await run(answering(() => ({ decision: "allow" })), factsWith(true, {}));
  assert.deepEqual(verdict, { kind: "pass", facts: { decision: "allow", policy_digest: "ab".repeat(32) } });
});

Deno.test("policy() maps escalate and block with their reasons", async () => {
  const engine = createPolicyEngine(loadDefaultPolicy().wasm);
  assert.deepEqual(await run(engine, factsWith(false, { destructiveHint: true })), {
    kind: "escalate",
    reason: "The token covers this tool only by a pattern and the tool is annotated as destructive",
  });
  assert.deepEqual(await run(engine, factsWith(true, {}), { ...CALL, method: "resources/list" }), {
    kind: "block",
    code: "not_covered",
    reason: "The default policy covers only what is asked for with a capability token",
  });
});

Deno.test("policy() shows the policy the call and the facts of earlier checks", async () => {
  const seen: JsonObject[] = [];
  const engine = answering((input) => (seen.push(input), { decision: "allow" }));
  await run(engine, { ...factsWith(true, { readOnlyHint: true }), intent: { score: 3 } });
  assert.equal(seen.length, 1);
  const { call, tool, facts } = seen[0] as { call: JsonObject; tool: JsonObject; facts: JsonObject };
  assert.deepEqual(call.arguments, CALL.arguments);
  assert.deepEqual(tool.annotations, { readOnlyHint: true });
  assert.deepEqual(facts.intent, { score: 3 });
});

Deno.test("policy() asks for the engine anew on every call", async () => {
  const engines: PolicyEngine[] = [
    answering(() => ({ decision: "block", code: "old", reason: "The old policy" })),
    answering(() => ({ decision: "allow" })),
  ];
  let current = 0;
  const definition = policy({ engine: () => engines[current]!, policyDigest: () => `digest ${current}` });
  const check = await definition.setup({}, CONTEXT);
  const signal = new AbortController().signal;
  assert.equal((await check.run(CALL, factsWith(true, {}), signal)).kind, "block");
  current = 1;
  assert.deepEqual(await check.run(CALL, factsWith(true, {}), signal), {
    kind: "pass",
    facts: { decision: "allow", policy_digest: "digest 1" },
  });
});

Deno.test("policy() throws policy_failed when the policy cannot answer", async () => {
  const engine = createPolicyEngine(loadDefaultPolicy().wasm);
  const facts = { ...factsWith(true, {}), intent: { score: Number.NaN } };
  await assert.rejects(run(engine, facts), { name: "GatewayError", code: "policy_failed" });
  assert.equal((await run(engine, factsWith(true, {}))).kind, "pass");
});

Deno.test("policy() takes no options and needs the principal", () => {
  const definition = policy({
    engine: () => answering(() => ({ decision: "allow" })),
    policyDigest: () => "",
  });
  assert.equal(definition.name, "policy");
  assert.deepEqual(definition.requires, ["principal"]);
  const validate = (value: unknown) => definition.options["~standard"].validate(value);
  assert.deepEqual(validate({}), { value: {} });
  assert.ok("issues" in (validate({ mode: "warn" }) as object));
});

const tool = (name: string, annotations: ToolDefinition["annotations"] = {}): ToolDefinition => ({
  ...{ upstream: "acme", name, inputSchema: {}, annotations },
});
const signal = new AbortController().signal;

Deno.test("policy() lists what the policy in force says may be used before arguments are known", async () => {
  const engines = [smallPaymentsWasm(), readOnlyWasm()].map((wasm) => createPolicyEngine(wasm));
  let current = 0;
  const definition = policy({ engine: () => engines[current]!, policyDigest: () => `digest ${current}` });
  const check = await definition.setup({}, CONTEXT);
  const tools = [tool("pay_invoice"), tool("read_invoice", { readOnlyHint: true })];
  assert.deepEqual(await check.lists!(tools, factsWith(true, {}), signal), [true, false]);
  assert.equal(check.listsVersion?.(), "digest 0");
  current = 1;
  assert.deepEqual(await check.lists!(tools, factsWith(true, {}), signal), [false, true]);
  assert.equal(check.listsVersion?.(), "digest 1");
  const prompts = { upstream: "acme", method: "prompts/get", names: ["greeting", "other"] };
  assert.deepEqual(await check.listsNames!(prompts, factsWith(true, {}), signal), [true, false]);
});

Deno.test("policy() shows the policy of each listed tool whether the token names it exactly", async () => {
  const seen: JsonObject[] = [];
  const engine: PolicyEngine = {
    ...answering(() => ({ decision: "allow" })),
    mayList: (input) => seen.push(input) > 0,
  };
  const namedExactly = ({ name }: ToolDefinition) => name === "pay_invoice";
  const definition = policy({ engine: () => engine, policyDigest: () => "", namedExactly });
  const check = await definition.setup({}, CONTEXT);
  await check.lists!([tool("pay_invoice"), tool("read_invoice")], factsWith(false, {}), signal);
  const facts = seen.map((input) => (input.facts as { capability: JsonObject }).capability.named_exactly);
  assert.deepEqual(facts, [true, false]);
  assert.deepEqual(seen.map((input) => (input.call as JsonObject).arguments), [undefined, undefined]);
});

Deno.test("a fault of the policy hides the one name that it was asked about, and is logged", async () => {
  const logged: unknown[] = [];
  const engine: PolicyEngine = {
    ...answering(() => ({ decision: "allow" })),
    mayList: (input) => {
      if ((input.call as JsonObject).name === "odd") throw new Error("it trapped");
      return true;
    },
  };
  const definition = policy({ engine: () => engine, policyDigest: () => "" });
  const check = await definition.setup({}, {
    ...CONTEXT,
    log: (level, message, fields) => void logged.push([level, message, fields?.error]),
  });
  const tools = [tool("a"), tool("odd"), tool("b")];
  assert.deepEqual(await check.lists!(tools, factsWith(true, {}), signal), [true, false, true]);
  assert.deepEqual(logged, [["warn", "A policy cannot say what may be listed", "it trapped"]]);
});
