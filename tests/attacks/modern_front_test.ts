/** Threat: a request of the modern era says one thing to the gateway and another to the upstream, or is used twice. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { resultOf } from "../agent.ts";
import { type ModernFixture, startModernServer } from "../conformance/fixtures/modern_server.ts";
import { type GatewayProcess, startGateway } from "../gateway_process.ts";
import { ModernAgent, type ModernChanges } from "../modern_agent.ts";

const TOOLS = [
  ...["test_simple_text", "test_x_header", "test_logging_tool"],
  ...["test_input_required_result_request_state", "test_input_required_result_multi_round"],
];
const ASKING = { elicitation: {}, sampling: {}, roots: {} };

async function start(modern: ModernFixture): Promise<GatewayProcess> {
  return await startGateway({
    config: {
      upstreams: {
        modern: { url: modern.url, client_requests: ["elicitation", "sampling", "roots"] },
        quiet: { url: modern.url },
      },
    },
  });
}

async function agentOf(
  gateway: GatewayProcess,
  more: JsonObject = {},
  upstream = "modern",
): Promise<ModernAgent> {
  const { token } = await gateway.mint({
    ...{ tenant: "default", agent: "a", ttl_seconds: 600, upstreams: ["*"], tools: TOOLS },
    ...{ prompts: ["*"], resources: ["test://**"] },
    ...more,
  });
  return new ModernAgent(`${gateway.url}/mcp/${upstream}`, token, ASKING);
}

interface Mismatch extends ModernChanges {
  readonly method: string;
  readonly params: JsonObject;
}

const call = (name: string, args: JsonObject = {}) => ({ name, arguments: args });
const X_HEADER = { method: "tools/call", params: call("test_x_header", { region: "eu" }) };
const SIMPLE = { method: "tools/call", params: call("test_simple_text") };

/** Every pair of a header and what it repeats: missing, another one, another case, broken encoding. */
const MISMATCHES: Readonly<Record<string, Mismatch>> = {
  "no version header": { ...SIMPLE, headers: { "mcp-protocol-version": undefined } },
  "another version in the header": { ...SIMPLE, headers: { "mcp-protocol-version": "2026-12-31" } },
  "another version in the body": {
    ...SIMPLE,
    meta: { "io.modelcontextprotocol/protocolVersion": "2026-12-31" },
  },
  "no method header": { ...SIMPLE, headers: { "mcp-method": undefined } },
  "another method": { ...SIMPLE, headers: { "mcp-method": "tools/list" } },
  "the method in another case": { ...SIMPLE, headers: { "mcp-method": "Tools/Call" } },
  "no name header": { ...SIMPLE, headers: { "mcp-name": undefined } },
  "another tool": { ...SIMPLE, headers: { "mcp-name": "test_logging_tool" } },
  "the tool in another case": { ...SIMPLE, headers: { "mcp-name": "Test_simple_text" } },
  "the name in bad base64": { ...SIMPLE, headers: { "mcp-name": "=?base64?dGVzdF9zaW1wbGVfdGV4dA?=" } },
  "two names": { ...SIMPLE, headers: { "mcp-name": "test_simple_text, test_simple_text" } },
  "another prompt": {
    ...{ method: "prompts/get", params: { name: "test_simple_prompt" } },
    headers: { "mcp-name": "test_prompt_with_image" },
  },
  "another resource": {
    ...{ method: "resources/read", params: { uri: "test://static-text" } },
    headers: { "mcp-name": "test://static-binary" },
  },
  "no parameter header": { ...X_HEADER },
  "another parameter": { ...X_HEADER, headers: { "mcp-param-region": "us" } },
  "the parameter in another case": { ...X_HEADER, headers: { "mcp-param-region": "EU" } },
  "two parameters": { ...X_HEADER, headers: { "mcp-param-region": "eu, us" } },
  "the parameter in bad base64": { ...X_HEADER, headers: { "mcp-param-region": "=?base64?ZXU?=" } },
  "a parameter header without the argument": {
    ...{ method: "tools/call", params: call("test_x_header") },
    headers: { "mcp-param-region": "eu" },
  },
};

Deno.test("headers that contradict the body never reach the upstream", async (t) => {
  const modern = startModernServer();
  await using gateway = await start(modern);
  const agent = await agentOf(gateway);
  assert.equal(resultOf(await agent.call("test_simple_text")), "ok");
  const careless = new ModernAgent(modern.url, undefined);
  for (const [name, { method, params, ...changes }] of Object.entries(MISMATCHES)) {
    await t.step(name, async () => {
      const direct = await careless.request(method, params, changes);
      assert.equal(direct.status, 200, "the upstream itself believes everything");
      const before = modern.seen.filter((message) => message.method === method).length;
      const refused = await agent.request(method, params, changes);
      assert.equal(refused.status, 400, refused.text);
      assert.equal(refused.message.error.code, -32020);
      assert.equal(modern.seen.filter((message) => message.method === method).length, before);
    });
  }
  await t.step("headers that agree pass, encoded or not", async () => {
    for (const region of ["eu", "=?base64?ZXU=?="]) {
      const { method, params } = X_HEADER;
      const answer = await agent.request(method, params, { headers: { "mcp-param-region": region } });
      assert.equal(resultOf(answer), "ok", answer.text);
      assert.equal(modern.headers.at(-1)?.get("mcp-param-region"), "eu");
    }
  });
  await modern.stop();
});

Deno.test("headers that nobody has compared with the body are not passed on", async () => {
  const modern = startModernServer();
  await using gateway = await start(modern);
  const agent = await agentOf(gateway);
  const headers = {
    "mcp-param-region": "us",
    "mcp-param-tenant": "root",
    "mcp-session-id": "x",
    cookie: "a=b",
  };
  await new ModernAgent(modern.url, undefined).request("tools/call", SIMPLE.params, { headers });
  assert.equal(modern.headers.at(-1)?.get("mcp-param-tenant"), "root", "without the gateway it arrives");
  const answer = await agent.request("tools/call", SIMPLE.params, { headers });
  assert.equal(resultOf(answer), "ok", answer.text);
  assert.equal(modern.seen.at(-1)?.method, "tools/call");
  for (const name of Object.keys(headers)) assert.equal(modern.headers.at(-1)?.get(name), null, name);
  await modern.stop();
});

Deno.test("a requestState serves once, for the same caller and the same call", async (t) => {
  const modern = startModernServer();
  await using gateway = await start(modern);
  const agent = await agentOf(gateway);
  const name = "test_input_required_result_request_state";
  const inputResponses = { confirm: { action: "accept", content: { ok: true } } };
  const fresh = async (of: ModernAgent = agent): Promise<string> => {
    const { message } = await of.call(name);
    assert.equal(message.result.resultType, "input_required");
    return message.result.requestState;
  };
  const calls = () => modern.seen.filter((message) => message.method === "tools/call").length;
  const refuses = async (of: ModernAgent, tool: string, args: JsonObject, requestState: string) => {
    const before = calls();
    const answer = await of.call(tool, args, { inputResponses, requestState });
    assert.equal(answer.message.error?.code, -32602, answer.text);
    assert.equal(calls(), before, "nothing reached the upstream");
    return answer.message.error.data.code;
  };

  await t.step("the upstream's own state would serve any number of times", async () => {
    const direct = new ModernAgent(modern.url, undefined, ASKING);
    const requestState = await fresh(direct);
    for (let n = 0; n < 2; n++) {
      assert.equal(resultOf(await direct.call(name, {}, { inputResponses, requestState })), "ok");
    }
    assert.equal(await refuses(agent, name, {}, requestState), "request_state_invalid");
  });
  await t.step("a replay is refused", async () => {
    const requestState = await fresh();
    assert.ok(!requestState.includes("r1"), "the upstream's state is not readable");
    const used = await agent.call(name, {}, { inputResponses, requestState });
    assert.match(used.text, /state-ok/);
    assert.equal(await refuses(agent, name, {}, requestState), "request_state_used");
  });
  await t.step("of two at the same time one is served", async () => {
    const requestState = await fresh();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => agent.call(name, {}, { inputResponses, requestState })),
    );
    assert.equal(answers.filter((answer) => resultOf(answer) === "ok").length, 1);
  });
  await t.step("another principal, tool, argument or upstream", async () => {
    const requestState = await fresh();
    const other = await agentOf(gateway, { agent: "b" });
    const sameName = await agentOf(gateway);
    const elsewhere = new ModernAgent(`${gateway.url}/mcp/quiet`, agent.token, ASKING);
    assert.equal(await refuses(other, name, {}, requestState), "request_state_invalid");
    assert.equal(await refuses(sameName, name, {}, requestState), "request_state_invalid");
    assert.equal(await refuses(elsewhere, name, {}, requestState), "request_state_invalid");
    assert.equal(await refuses(agent, name, { a: 1 }, requestState), "request_state_invalid");
    const tool = "test_input_required_result_multi_round";
    assert.equal(await refuses(agent, tool, {}, requestState), "request_state_invalid");
    for (const at of [8, requestState.length - 10]) {
      const flipped = requestState[at] === "A" ? "B" : "A";
      const tampered = requestState.slice(0, at) + flipped + requestState.slice(at + 1);
      assert.equal(await refuses(agent, name, {}, tampered), "request_state_invalid");
    }
    // Everything that was refused used nothing up.
    const answer = await agent.call(name, {}, { inputResponses, requestState });
    assert.equal(resultOf(answer), "ok", answer.text);
  });
  await modern.stop();
});

Deno.test("an upstream that may not ask learns nothing of what the client could answer", async () => {
  const modern = startModernServer();
  await using gateway = await start(modern);
  const agent = await agentOf(gateway, {}, "quiet");
  const name = "test_input_required_result_request_state";
  // It asks nevertheless: the question does not pass.
  const answer = await agent.call(name);
  assert.equal(resultOf(answer), "upstream_failed", answer.text);
  const meta = (modern.seen.at(-1)?.params as JsonObject)._meta as JsonObject;
  assert.deepEqual(meta["io.modelcontextprotocol/clientCapabilities"], {});
  await modern.stop();
});
