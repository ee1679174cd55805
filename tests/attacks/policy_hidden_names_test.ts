/** Threat: an agent finds out which tools, prompts and resources a policy keeps from it, by calling them by name. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { createPolicyEngine } from "../../policies/engine.ts";
import { readOnlyWasm, smallPaymentsWasm } from "../../policies/testdata/testdata.ts";
import { Agent, type Answer } from "../agent.ts";
import { ModernAgent } from "../modern_agent.ts";
import { type PolicedGateway, startPolicedGateway } from "../policed_gateway.ts";

const schema = {
  type: "object",
  properties: { amount: { type: "integer" }, region: { type: "string", "x-mcp-header": "region" } },
  required: ["amount"],
};
const TOOLS = [
  { name: "pay_invoice", inputSchema: schema },
  { name: "delete_vendor", inputSchema: schema },
  { name: "read_invoice", inputSchema: { type: "object" }, annotations: { readOnlyHint: true } },
];
const RESULTS: Readonly<Record<string, JsonObject>> = {
  "server/discover": {
    ...{ resultType: "complete", supportedVersions: ["2026-07-28"], ttlMs: 0, cacheScope: "private" },
    capabilities: { tools: {}, prompts: {}, resources: {} },
  },
  initialize: {
    ...{ protocolVersion: "2025-11-25", capabilities: { tools: {}, prompts: {}, resources: {} } },
    serverInfo: { name: "upstream", version: "1" },
  },
  "tools/list": { tools: TOOLS },
  "prompts/list": { prompts: [{ name: "pay_invoice" }, { name: "greeting" }] },
  "resources/list": { resources: [{ uri: "pay_invoice", name: "a" }, { uri: "vendors", name: "b" }] },
  "tools/call": { content: [{ type: "text", text: "done" }] },
  "prompts/get": { messages: [] },
  "resources/read": { contents: [] },
};

/** An upstream of both eras that says what it was asked; `delayMs` is how long its lists take. */
function startUpstream() {
  const state = { asked: [] as string[], delayMs: 0 };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const { id, method }: { id?: number; method: string } = await request.json();
    state.asked.push(method);
    if (id === undefined) return new Response(null, { status: 202 });
    if (method === "tools/list") await new Promise((resolve) => setTimeout(resolve, state.delayMs));
    const result = RESULTS[method];
    if (result === undefined) {
      return Response.json({ jsonrpc: "2.0", id, error: { code: -32601, message: "No" } });
    }
    const headers: HeadersInit = method === "initialize" ? { "mcp-session-id": "s" } : {};
    return Response.json({ jsonrpc: "2.0", id, result }, { headers });
  });
  return {
    state,
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** What the agent sees, without what is random. */
function seen({ status, text, headers }: Answer): unknown {
  const body = text.replace(/"decision_id":"[0-9a-f-]{36}"/g, "").replace(/"id":\d+/, "");
  return [status, body, headers.get("content-type"), headers.get("retry-after")];
}

type AnyAgent = Pick<Agent, "request"> & Partial<Pick<ModernAgent, "open">>;

async function agentsOf(gateway: PolicedGateway): Promise<Readonly<Record<string, AnyAgent>>> {
  const token = await gateway.mint();
  return {
    legacy: await Agent.connect(gateway.url, "acme", token),
    modern: new ModernAgent(`${gateway.url}/mcp/acme`, token),
  };
}

/** Arguments that a visible tool would be refused or escalated with. */
const ARGUMENTS: readonly (readonly [string, JsonObject])[] = [
  ["good arguments", { amount: 5 }],
  ["arguments that the policy refuses", { amount: 5_000 }],
  ["arguments that do not fit the schema", { amount: "five" }],
  ["no arguments", {}],
  ["a member that differs in case", { Amount: 5 }],
  ["an argument that a header must repeat", { amount: 5, region: "eu" }],
];

Deno.test("a tool that the policy hides looks like one that does not exist, at every stage", async (t) => {
  await using upstream = startUpstream();
  await using gateway = await startPolicedGateway(upstream.url, smallPaymentsWasm());
  const before = gateway.records.length;
  for (const [era, agent] of Object.entries(await agentsOf(gateway))) {
    const list = (await agent.request("tools/list")).message.result.tools;
    assert.deepEqual(list.map(({ name }: { name: string }) => name), ["pay_invoice"], era);
    for (const [what, given] of ARGUMENTS) {
      await t.step(`${era}: ${what}`, async () => {
        const call = (name: string) => agent.request("tools/call", { name, arguments: given });
        const hidden = await call("delete_vendor");
        const truth = gateway.records.at(-1)?.decision;
        assert.equal(hidden.message.error.data.code, "not_available");
        assert.deepEqual(seen(hidden), seen(await call("no_such_tool__")));
        // What the agent is told stands in the event; the trail says why.
        assert.deepEqual([truth?.check, truth?.code], ["capability", "not_available"]);
        const last = truth?.trail.at(-1);
        assert.deepEqual([last?.check, last?.verdict, last?.code], ["policy", "block", "not_listed"]);
        assert.equal(truth?.facts.tool?.known, true);
        const unknown = gateway.records.at(-1)?.decision.trail.at(-1);
        assert.deepEqual([unknown?.check, unknown?.code], ["catalogue", "unknown_tool"]);
      });
    }
    await t.step(`${era}: what is listed is told why it is refused`, async () => {
      const call = async (given: JsonObject) =>
        (await agent.request("tools/call", { name: "pay_invoice", arguments: given })).message;
      assert.ok((await call({ amount: 5 })).result);
      assert.equal((await call({ amount: 5_000 })).error.data.code, "not_covered");
      assert.equal((await call({ amount: "five" })).error.data.code, "arguments_invalid");
    });
  }
  assert.ok(gateway.records.length > before);
});

Deno.test("a prompt or a resource that the policy hides is answered without asking whether it exists", async () => {
  await using upstream = startUpstream();
  await using gateway = await startPolicedGateway(upstream.url, smallPaymentsWasm());
  for (const [era, agent] of Object.entries(await agentsOf(gateway))) {
    const prompts = (await agent.request("prompts/list")).message.result.prompts;
    assert.deepEqual(prompts, [{ name: "pay_invoice" }], era);
    const resources = (await agent.request("resources/list")).message.result.resources;
    assert.deepEqual(resources, [{ uri: "pay_invoice", name: "a" }], era);
    const asked = upstream.state.asked.length;
    const refs = (name: string) => ({
      ref: { type: "ref/prompt", name },
      argument: { name: "a", value: "b" },
    });
    const methods: readonly [string, (name: string) => JsonObject][] = [
      ["prompts/get", (name) => ({ name })],
      ["resources/read", (name) => ({ uri: name })],
      ["completion/complete", refs],
      ...(era === "legacy" ? [["resources/subscribe", (name: string) => ({ uri: name })] as const] : []),
    ] as readonly [string, (name: string) => JsonObject][];
    for (const [method, params] of methods) {
      const there = method === "prompts/get" || method === "completion/complete" ? "greeting" : "vendors";
      const hidden = await agent.request(method, params(there));
      assert.equal(hidden.message.error.data.code, "not_available", `${era} ${method}`);
      assert.deepEqual(seen(hidden), seen(await agent.request(method, params("none"))), method);
      assert.equal(gateway.records.at(-1)?.decision.trail.at(-1)?.code, "not_listed");
    }
    assert.equal(upstream.state.asked.length, asked, "nothing was asked for");
  }
});

Deno.test("a hidden tool takes the time of an unknown one, also when that is looked for again", async () => {
  await using upstream = startUpstream();
  await using gateway = await startPolicedGateway(upstream.url, smallPaymentsWasm());
  const { legacy } = await agentsOf(gateway);
  const call = async (name: string) => {
    const asked = upstream.state.asked.length;
    const started = performance.now();
    const answer = await legacy!.request("tools/call", { name, arguments: { amount: 5 } });
    assert.equal(answer.message.error.data.code, "not_available");
    return { ms: performance.now() - started, asked: upstream.state.asked.slice(asked) };
  };
  await legacy!.request("tools/list");
  upstream.state.delayMs = 80;
  for (const name of ["no_such_tool__", "delete_vendor"]) {
    gateway.world.aheadMs += 1_500; // the catalogue is old enough to look again
    const { ms, asked } = await call(name);
    assert.ok(ms >= 80, `${name}: ${ms} ms`);
    assert.deepEqual(asked.filter((method) => method === "tools/list"), ["tools/list"], name);
  }
  // While the catalogue is fresh, nobody is asked for either: what is left is work of the gateway itself.
  const times = { delete_vendor: [] as number[], no_such_tool__: [] as number[] };
  for (let round = 0; round < 150; round++) {
    const names = Object.keys(times) as (keyof typeof times)[];
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const { ms, asked } = await call(name);
      if (asked.length === 0) times[name].push(ms);
    }
  }
  const median = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? NaN;
  const [hidden, unknown] = [median(times.delete_vendor), median(times.no_such_tool__)];
  const difference = Math.abs(hidden - unknown);
  assert.ok(difference < Math.max(0.4, 0.3 * unknown), `hidden ${hidden} ms, unknown ${unknown} ms`);
});

Deno.test("what is kept of a list ends with the policy, with the settings, with the token and with a switch", async () => {
  await using upstream = startUpstream();
  await using gateway = await startPolicedGateway(upstream.url, smallPaymentsWasm());
  const { world } = gateway;
  const token = await gateway.mint();
  const agent = new ModernAgent(`${gateway.url}/mcp/acme`, token);
  const list = async (of = agent) => {
    const { message } = await of.request("tools/list");
    return message.result?.tools.map(({ name }: { name: string }) => name) ?? message.error.data.code;
  };
  assert.deepEqual(await list(), ["pay_invoice"]);
  world.engine = createPolicyEngine(readOnlyWasm());
  world.policyDigest = "2";
  assert.deepEqual(await list(), ["read_invoice"], "another policy");
  const narrow = new ModernAgent(agent.url, await gateway.mint({ tools: ["pay_*"] }));
  assert.deepEqual(await Promise.all([list(), list(narrow), list()]), [["read_invoice"], [], [
    "read_invoice",
  ]]);
  world.revoked = "block";
  assert.equal(await list(), "revoked_token");
  world.revoked = undefined;
  world.stopped = "all";
  assert.equal(await list(), "kill_switch_engaged");
});
