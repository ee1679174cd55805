/** Both protocol eras through the whole gateway: what is decided, what is cancelled, and when streams end. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { Agent, resultOf } from "../agent.ts";
import { startLegacyServer } from "../conformance/fixtures/legacy_server.ts";
import { startModernServer } from "../conformance/fixtures/modern_server.ts";
import { type GatewayProcess, startGateway } from "../gateway_process.ts";
import { messagesOf, ModernAgent } from "../modern_agent.ts";
import { createDatabaseTests } from "./databases.ts";
import { events, eventually, start } from "./gateways.ts";

const { testPostgres } = createDatabaseTests();

const TOOLS = [
  ...["test_simple_text", "test_wait", "test_trigger_resource_update", "test_trigger_tool_change"],
  "test_input_required_result_request_state",
];

function mint(gateway: GatewayProcess, more: JsonObject = {}) {
  return gateway.mint({
    ...{ tenant: "default", agent: "a", ttl_seconds: 600, upstreams: ["*"], tools: TOOLS },
    ...{ prompts: ["*"], resources: ["test://static-*"] },
    ...more,
  });
}

/** The session's own stream, or any other answer of GET. */
function openStream(agent: Agent): Promise<Response> {
  const headers = { authorization: `Bearer ${agent.token}`, "mcp-session-id": agent.session ?? "" };
  return fetch(agent.url, { headers: { ...headers, accept: "text/event-stream" } });
}

Deno.test("every governed request is decided, recorded with its method, and gets an outcome", async () => {
  const legacy = startLegacyServer();
  const modern = startModernServer();
  await using gateway = await startGateway({
    config: { upstreams: { legacy: { url: legacy.url }, modern: { url: modern.url } } },
  });
  const { token } = await mint(gateway);
  const inSession = await Agent.connect(gateway.url, "legacy", token);
  const alone = new ModernAgent(`${gateway.url}/mcp/modern`, token);
  const ref = { type: "ref/prompt", name: "test_simple_prompt" };
  const asked: readonly (readonly [string, JsonObject, string])[] = [
    ["tools/call", { name: "test_simple_text" }, "test_simple_text"],
    ["prompts/get", { name: "test_simple_prompt" }, "test_simple_prompt"],
    ["resources/read", { uri: "test://static-text" }, "test://static-text"],
    ["completion/complete", { ref, argument: { name: "a", value: "" } }, "test_simple_prompt"],
  ];
  for (const agent of [inSession, alone]) {
    for (const [method, params] of asked) {
      const { message } = await agent.request(method, params);
      assert.ok(message.result, JSON.stringify(message));
      assert.ok(message.result._meta["intentgate/decision"].decision_id);
    }
  }
  await inSession.request("resources/subscribe", { uri: "test://static-text" });
  await inSession.request("resources/unsubscribe", { uri: "test://static-text" });
  const recorded = await events(gateway, "default");
  const decided = recorded.filter(({ metadata }) => metadata.event_code === "call.decided");
  const words = decided.map(({ unmapped, api }) => [unmapped.method, api.operation, unmapped.decision]);
  const all = asked.map(([method, , name]) => [method, name, "allow"]);
  assert.deepEqual(words, [
    ...all,
    ...all,
    ...["resources/subscribe", "resources/unsubscribe"].map((
      method,
    ) => [method, "test://static-text", "allow"]),
  ]);
  await eventually(async () => {
    const ended = (await events(gateway, "default")).filter(({ metadata }) =>
      metadata.event_code === "call.ended"
    );
    return ended.length === decided.length;
  }, "the outcomes");
  await legacy.stop();
  await modern.stop();
});

Deno.test("a modern client that closes its request cancels it; a legacy one says so", async () => {
  const legacy = startLegacyServer();
  const modern = startModernServer();
  await using gateway = await startGateway({
    config: {
      upstreams: {
        legacy: { url: legacy.url },
        modern: { url: modern.url },
        hasty: {
          ...{ url: modern.url, idle_timeout_ms: 300 },
        },
      },
    },
  });
  const { token } = await mint(gateway);
  const alone = new ModernAgent(`${gateway.url}/mcp/modern`, token);
  const leaving = new AbortController();
  const waiting = alone.request("tools/call", { name: "test_wait" }, { signal: leaving.signal });
  await eventually(() => modern.seen.some(({ method }) => method === "tools/call"), "the call");
  leaving.abort();
  await assert.rejects(waiting);
  await eventually(
    () => modern.cancelled.some(({ name }) => name === "test_wait"),
    "the cancellation",
    2_000,
  );

  const inSession = await Agent.connect(gateway.url, "legacy", token);
  const call = inSession.send({ jsonrpc: "2.0", id: 9, method: "tools/call", params: { name: "test_wait" } });
  await new Promise((resolve) => setTimeout(resolve, 200));
  const cancelled = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 9 } };
  assert.equal((await inSession.send(cancelled)).status, 202);
  assert.match((await call).text, /Cancelled/);

  const hasty = new ModernAgent(`${gateway.url}/mcp/hasty`, token);
  const silent = await hasty.call("test_wait");
  assert.equal(resultOf(silent), "outcome_unknown", silent.text);
  const codes = async () =>
    (await events(gateway, "default")).filter(({ metadata }) => metadata.event_code === "call.ended")
      .map(({ status_code }) => status_code);
  await eventually(
    async () => {
      const found = await codes();
      return found.includes("cancelled") && found.includes("timeout");
    },
    "both outcomes",
    1_000,
  );
  await legacy.stop();
  await modern.stop();
});

Deno.test("streams carry what their caller may know, and end when its token is revoked", async () => {
  const legacy = startLegacyServer();
  const modern = startModernServer();
  await using gateway = await startGateway({
    config: { upstreams: { legacy: { url: legacy.url }, modern: { url: modern.url } } },
  });
  const [goes, stays] = [await mint(gateway), await mint(gateway, { agent: "b" })];
  const inSession = await Agent.connect(gateway.url, "legacy", goes.token);
  const alone = new ModernAgent(`${gateway.url}/mcp/modern`, goes.token);
  const other = new ModernAgent(alone.url, stays.token);
  const notifications = { toolsListChanged: true };
  const streams = [
    messagesOf(await openStream(inSession)),
    messagesOf(await alone.open("subscriptions/listen", { notifications })),
    messagesOf(await other.open("subscriptions/listen", { notifications })),
  ] as const;
  for (const next of streams.slice(1)) {
    assert.equal((await next())?.method, "notifications/subscriptions/acknowledged");
  }
  // The upstream sends two updates; one is of a resource that this token does not cover.
  assert.equal(resultOf(await inSession.call("test_trigger_resource_update")), "ok");
  assert.equal(((await streams[0]())?.params as JsonObject).uri, "test://static-text");
  assert.equal(resultOf(await alone.call("test_trigger_tool_change")), "ok");
  const changed = await streams[1]();
  assert.equal(changed?.method, "notifications/tools/list_changed");
  assert.ok(((changed?.params as JsonObject)._meta as JsonObject)["io.modelcontextprotocol/subscriptionId"]);
  assert.equal((await streams[2]())?.method, "notifications/tools/list_changed");
  await eventually(() => modern.listeners() === 2, "the listeners");

  const revoked = performance.now();
  await gateway.api("POST", "/api/v1/revocations", { tenant: "default", jti: goes.jti, reason: "test" });
  assert.equal(await streams[0](), undefined, "the stream of the session has ended");
  assert.equal(await streams[1](), undefined, "the stream of the listener has ended");
  assert.ok(performance.now() - revoked < 3_000);
  await eventually(() => modern.listeners() === 1, "the end of the upstream's stream");
  assert.equal(resultOf(await other.call("test_trigger_tool_change")), "ok");
  assert.equal((await streams[2]())?.method, "notifications/tools/list_changed", "others keep theirs");
  await legacy.stop();
  await modern.stop();
});

Deno.test("a client without a token learns where the metadata of the resource is, whatever it asked for", async () => {
  const modern = startModernServer();
  await using gateway = await startGateway({
    config: { upstreams: { modern: { url: modern.url } }, authorization_servers: ["https://login.example"] },
  });
  for (const name of ["modern", "no-such-upstream"]) {
    const refused = await new ModernAgent(`${gateway.url}/mcp/${name}`, undefined).request("tools/list");
    assert.equal(refused.status, 401);
    const challenge = refused.headers.get("www-authenticate") ?? "";
    const [, url = ""] = /resource_metadata="([^"]+)"/.exec(challenge) ?? [];
    assert.equal(url, `${gateway.url}/.well-known/oauth-protected-resource/mcp/${name}`);
    const metadata = await (await fetch(url)).json();
    assert.equal(metadata.resource, `${gateway.url}/mcp/${name}`);
    assert.deepEqual(metadata.authorization_servers, ["https://login.example"]);
    assert.deepEqual(metadata.bearer_methods_supported, ["header"]);
  }
  const root = await (await fetch(`${gateway.url}/.well-known/oauth-protected-resource`)).json();
  assert.equal(root.resource, gateway.url);
  await modern.stop();
});

testPostgres(
  "replicas serve each other's sessions and states, and a state still only once",
  async (fixture) => {
    const legacy = startLegacyServer();
    const modern = startModernServer();
    const keys = JSON.stringify({
      active: "k1",
      keys: { k1: btoa("0123456789abcdefghijklmnopqrstuv").replace(/=+$/, "") },
    });
    const client_requests = ["elicitation"];
    const options = {
      config: { upstreams: { legacy: { url: legacy.url }, modern: { url: modern.url, client_requests } } },
      env: { INTENTGATE_KEYS: keys },
    };
    await using one = await start(fixture, options);
    await using two = await start(fixture, options);
    const { token } = await mint(one);
    const onOne = await Agent.connect(one.url, "legacy", token);
    const onTwo = new Agent(`${two.url}/mcp/legacy`, token);
    onTwo.session = onOne.session;
    assert.ok((await onTwo.request("prompts/get", { name: "test_simple_prompt" })).message.result);

    const agents = [one, two].map(({ url }) =>
      new ModernAgent(`${url}/mcp/modern`, token, { elicitation: {} })
    );
    const name = "test_input_required_result_request_state";
    const inputResponses = { confirm: { action: "accept", content: { ok: true } } };
    for (let round = 0; round < 5; round++) {
      const { requestState } = (await agents[round % 2]!.call(name)).message.result;
      const answers = await Promise.all(
        Array.from({ length: 6 }, (_, n) => agents[n % 2]!.call(name, {}, { inputResponses, requestState })),
      );
      assert.equal(answers.filter((answer) => resultOf(answer) === "ok").length, 1);
    }
    await legacy.stop();
    await modern.stop();
  },
);
