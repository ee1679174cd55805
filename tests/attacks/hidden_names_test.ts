/** Threat: an agent reaches prompts, resources, sessions and questions that are not its own by naming them directly. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { Agent, type Answer } from "../agent.ts";
import { startLegacyServer } from "../conformance/fixtures/legacy_server.ts";
import { startModernServer } from "../conformance/fixtures/modern_server.ts";
import { type GatewayProcess, startGateway } from "../gateway_process.ts";
import { messagesOf, ModernAgent } from "../modern_agent.ts";

const COMPLETE = { argument: { name: "arg1", value: "pa" } };
const prompt = (name: string) => ({ ref: { type: "ref/prompt", name }, ...COMPLETE });
const resource = (uri: string) => ({ ref: { type: "ref/resource", uri }, ...COMPLETE });

/** By method: what the token grants, what is there and hidden, and what is not there. */
const NAMES: readonly (readonly [string, JsonObject, JsonObject, JsonObject])[] = [
  ["prompts/get", { name: "test_simple_prompt" }, { name: "test_prompt_with_image" }, { name: "no_prompt" }],
  [
    "resources/read",
    { uri: "test://static-text" },
    { uri: "test://static-binary" },
    { uri: "test://nothing" },
  ],
  ["resources/read", { uri: "test://static-text" }, { uri: "test://template/1/data" }, { uri: "x:y" }],
  [
    "completion/complete",
    prompt("test_simple_prompt"),
    prompt("test_prompt_with_arguments"),
    prompt("no_prompt"),
  ],
  [
    "completion/complete",
    resource("test://static-text"),
    resource("test://template/{id}/data"),
    resource("x:y"),
  ],
];
const IN_SESSION = ["resources/subscribe", "resources/unsubscribe"].map((method) =>
  [method, { uri: "test://static-text" }, { uri: "test://watched-resource" }, { uri: "x:y" }] as const
);

function mint(gateway: GatewayProcess, more: JsonObject = {}) {
  return gateway.mint({
    ...{ tenant: "default", agent: "a", ttl_seconds: 600, upstreams: ["legacy", "modern"] },
    ...{ tools: ["test_elicitation", "test_trigger_resource_update"] },
    ...{ prompts: ["test_simple_prompt"], resources: ["test://static-text"] },
    ...more,
  });
}

/** What the agent sees, without what is random. */
function seen({ status, text }: Answer): unknown {
  return [status, text.replace(/"decision_id":"[0-9a-f-]{36}"/, "").replace(/"id":\d+/, "")];
}

Deno.test("a hidden prompt or resource looks like one that does not exist, and is not asked for", async (t) => {
  const legacy = startLegacyServer();
  const modern = startModernServer();
  await using gateway = await startGateway({
    config: { upstreams: { legacy: { url: legacy.url }, modern: { url: modern.url } } },
  });
  const { token } = await mint(gateway);
  const agents = {
    legacy: await Agent.connect(gateway.url, "legacy", token),
    modern: new ModernAgent(`${gateway.url}/mcp/modern`, token),
  };
  for (const [era, agent] of Object.entries(agents)) {
    for (const [method, granted, hidden, unknown] of era === "legacy" ? [...NAMES, ...IN_SESSION] : NAMES) {
      await t.step(`${era} ${method} ${JSON.stringify(hidden)}`, async () => {
        const allowed = await agent.request(method, granted);
        assert.ok(allowed.message.result !== undefined, allowed.text);
        const before = modern.seen.length;
        const refused = await agent.request(method, hidden);
        assert.equal(refused.message.error.data.code, "not_available");
        assert.deepEqual(seen(refused), seen(await agent.request(method, unknown)));
        assert.equal(modern.seen.length, before);
      });
    }
    await t.step(`${era}: lists show what is granted`, async () => {
      const list = async (method: string) => (await agent.request(method)).message.result;
      const names = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name);
      assert.deepEqual(names((await list("prompts/list")).prompts), ["test_simple_prompt"]);
      assert.deepEqual(names((await list("resources/list")).resources), ["static-text"]);
      assert.deepEqual((await list("resources/templates/list")).resourceTemplates, []);
    });
  }
  await t.step("what a modern client may keep is private and no older than its token", async () => {
    for (const method of ["tools/list", "prompts/list", "resources/list", "server/discover"]) {
      const { result } = (await agents.modern.request(method)).message;
      assert.equal(result.cacheScope, "private", method);
      assert.ok(result.ttlMs >= 0 && result.ttlMs <= 60_000, method);
    }
    const short = new ModernAgent(agents.modern.url, (await mint(gateway, { ttl_seconds: 20 })).token);
    const { result } = (await short.request("tools/list")).message;
    assert.ok(result.ttlMs <= 20_000, `${result.ttlMs}`);
  });
  await t.step("a token that names none has none; a holder who appends them gains nothing", async () => {
    const { token } = await mint(
      gateway,
      { prompts: undefined, resources: undefined },
    );
    const agent = new ModernAgent(agents.modern.url, token);
    for (const [method, granted] of NAMES) {
      assert.equal((await agent.request(method, granted)).message.error.data.code, "not_available");
    }
    assert.deepEqual((await agent.request("prompts/list")).message.result.prompts, []);
  });
  await t.step("a token restricted by methods has no others", async () => {
    const { token } = await mint(gateway, { methods: ["resources/*"] });
    const agent = new ModernAgent(agents.modern.url, token);
    const codes = await Promise.all(
      NAMES.map(async ([method, granted]) => (await agent.request(method, granted)).message.error?.data.code),
    );
    assert.deepEqual(codes, ["not_available", undefined, undefined, "not_available", "not_available"]);
    assert.equal((await agent.request("prompts/list")).message.error.data.code, "not_available");
  });
  await legacy.stop();
  await modern.stop();
});

Deno.test("listening to hidden resources brings nothing, whatever the upstream sends", async () => {
  const modern = startModernServer();
  await using gateway = await startGateway({ config: { upstreams: { modern: { url: modern.url } } } });
  const { token } = await mint(gateway, { upstreams: ["modern"] });
  const agent = new ModernAgent(`${gateway.url}/mcp/modern`, token);
  const uris = ["test://static-text", "test://watched-resource"];
  const response = await agent.open("subscriptions/listen", {
    notifications: { resourceSubscriptions: uris },
  });
  const next = messagesOf(response);
  const acknowledged = await next();
  assert.equal(acknowledged?.method, "notifications/subscriptions/acknowledged");
  const asked = modern.seen.at(-1)?.params as JsonObject;
  assert.deepEqual(asked.notifications, { resourceSubscriptions: ["test://static-text"] });
  await agent.call("test_trigger_resource_update");
  const update = await next();
  assert.equal((update?.params as JsonObject).uri, "test://static-text");
  await response.body?.cancel().catch(() => {});
  await modern.stop();
});

Deno.test("a session, and the questions asked in it, serve only whom they were made for", async (t) => {
  const legacy = startLegacyServer();
  await using gateway = await startGateway({
    config: { upstreams: { legacy: { url: legacy.url, client_requests: ["elicitation"] } } },
  });
  const [one, two] = [
    await mint(gateway, { upstreams: ["legacy"] }),
    await mint(gateway, {
      ...{ upstreams: ["legacy"], agent: "b" },
    }),
  ];
  const url = `${gateway.url}/mcp/legacy`;
  const connect = async (token: string) => {
    const agent = new Agent(url, token);
    const answer = await agent.request("initialize", {
      ...{ protocolVersion: "2025-11-25", capabilities: { elicitation: {}, sampling: {} } },
      clientInfo: { name: "test", version: "0" },
    });
    agent.session = answer.headers.get("mcp-session-id") ?? undefined;
    return agent;
  };
  const owner = await connect(one.token);
  const thief = await connect(two.token);

  await t.step("another principal's session is not found, in every method of HTTP", async () => {
    const stolen = new Agent(url, two.token);
    stolen.session = owner.session;
    for (const method of ["tools/call", "tools/list", "ping", "prompts/get", "resources/subscribe"]) {
      const params = { name: "test_simple_prompt", uri: "test://static-text" };
      const answer = await stolen.request(
        method,
        method === "tools/call" ? { name: "test_elicitation" } : params,
      );
      assert.equal(answer.status, 404, method);
      assert.equal(answer.message.error.code, -32001);
    }
    assert.equal((await stolen.send({ jsonrpc: "2.0", method: "notifications/cancelled" })).status, 404);
    assert.equal((await stolen.send({ jsonrpc: "2.0", id: 1, result: {} })).status, 404);
    for (const method of ["GET", "DELETE"]) {
      const headers = { authorization: `Bearer ${two.token}`, "mcp-session-id": owner.session ?? "" };
      const response = await fetch(url, { method, headers: { ...headers, accept: "text/event-stream" } });
      assert.equal(response.status, 404, method);
      await response.body?.cancel();
    }
    assert.equal((await owner.request("ping")).status, 200, "the session is still there");
  });

  await t.step(
    "an answer counts only in the session that was asked, and under the id that was given",
    async () => {
      const response = await fetch(url, {
        method: "POST",
        headers: {
          ...{ "content-type": "application/json", accept: "application/json, text/event-stream" },
          ...{ authorization: `Bearer ${one.token}`, "mcp-session-id": owner.session ?? "" },
        },
        body: JSON.stringify({
          ...{ jsonrpc: "2.0", id: 77, method: "tools/call" },
          params: { name: "test_elicitation", arguments: { message: "Who?" } },
        }),
      });
      const next = messagesOf(response);
      const question = await next();
      assert.equal(question?.method, "elicitation/create");
      const id = String(question?.id);
      assert.match(id, /^igr1\./);
      const answerOf = (given: string) => ({
        ...{ jsonrpc: "2.0", id: given },
        result: { action: "accept", content: { username: "u", email: "e" } },
      });
      assert.equal((await thief.send(answerOf(id))).status, 400, "asked in another session");
      const forged = id.slice(0, -4) + (id.endsWith("AAAA") ? "BBBB" : "AAAA");
      for (const other of [forged, crypto.randomUUID(), "1"]) {
        assert.equal((await owner.send(answerOf(other))).status, 400, other);
      }
      assert.equal((await owner.send(answerOf(id))).status, 202);
      const result = await next();
      assert.match(JSON.stringify(result), /action=accept.*username/);
    },
  );

  await t.step("what the upstream may not ask is not offered to it", async () => {
    const answer = await owner.request("tools/call", { name: "test_sampling", arguments: { prompt: "x" } });
    assert.equal(answer.message.error.data?.code, "not_available");
    const { token } = await mint(gateway, { upstreams: ["legacy"], tools: ["test_sampling"] });
    const agent = await connect(token);
    const refused = await agent.request("tools/call", { name: "test_sampling", arguments: { prompt: "x" } });
    assert.match(refused.text, /No sampling/);
  });
  await legacy.stop();
});
