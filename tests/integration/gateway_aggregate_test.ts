/** The endpoint of all upstreams. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { startServer, type TestServer } from "../../mcp/front_fixture.ts";
import { Agent, resultOf } from "../agent.ts";
import { SUBSCRIPTION_META } from "../../mcp/links/modern_meta.ts";
import { freePort, startGateway } from "../gateway_process.ts";
import { messagesOf, ModernAgent } from "../modern_agent.ts";
import { events } from "./gateways.ts";

const tool = (name: string): JsonObject => ({ name, inputSchema: { type: "object" } });

/** A server whose list has pages of two tools each. */
function pagedServer(names: readonly string[]): TestServer {
  const server = startServer();
  server.behave((message, request) => {
    if (request.method !== "POST" || message.method !== "tools/list") return undefined;
    const from = Number(message.params?.cursor ?? 0);
    const result = {
      tools: names.slice(from, from + 2).map(tool),
      ...(from + 2 < names.length ? { nextCursor: String(from + 2) } : {}),
    };
    return Response.json({ jsonrpc: "2.0", id: message.id, result });
  });
  return server;
}

/** All pages of a list, each as its names. */
async function pages(agent: Agent | ModernAgent): Promise<string[][]> {
  const found: string[][] = [];
  for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
    const params: JsonObject = cursor === undefined ? {} : { cursor };
    const { result } = (await agent.request("tools/list", params)).message;
    found.push(result.tools.map(({ name }: { name: string }) => name));
    cursor = result.nextCursor;
  }
  return found;
}

Deno.test("/mcp has all upstreams of the caller's tenant, page by page, and shows nothing of the others", async (t) => {
  await using a = pagedServer(["one", "two", "three"]);
  await using b = pagedServer(["four"]);
  await using foreign = pagedServer(["secret"]);
  await using gateway = await startGateway({
    config: {
      pipeline: [{ check: "capability" }],
      upstreams: {
        ...{ a: { url: a.url }, b: { url: b.url }, foreign: { url: foreign.url, tenants: ["other"] } },
        down: { url: `http://127.0.0.1:${freePort()}/mcp` },
      },
    },
  });
  const grants = { upstreams: ["*"], tools: ["*"], ttl_seconds: 600 };
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ...grants });
  const legacy = await Agent.connect(gateway.url, undefined, token);
  const modern = new ModernAgent(`${gateway.url}/mcp`, token);

  await t.step("lists", async () => {
    for (const agent of [legacy, modern]) {
      assert.deepEqual(await pages(agent), [["a__one", "a__two", "b__four"], ["a__three"]]);
    }
    const bad = await legacy.request("tools/list", { cursor: "bad" });
    assert.deepEqual([bad.status, bad.message.error.code], [400, -32602]);
  });
  await t.step("calls are recorded at their upstream, under its own name", async () => {
    assert.equal(resultOf(await legacy.call("a__three")), "ok");
    assert.equal(resultOf(await modern.call("b__four")), "ok");
    const decided = (await events(gateway, "default")).filter(({ metadata }) =>
      metadata.event_code === "call.decided"
    );
    assert.deepEqual(decided.map(({ api }) => [api.operation, api.service?.name]), [["three", "a"], [
      "four",
      "b",
    ]]);
  });
  await t.step("what is another tenant's, hidden, down or nowhere gets one answer", async () => {
    for (const name of ["foreign__secret", "a__nothing", "nowhere__x", "three", "__", "a__"]) {
      for (const agent of [legacy, modern]) {
        const answer = await agent.call(name);
        const isSame = name === "a__"
          ? answer.message.error !== undefined
          : resultOf(answer) === "not_available";
        assert.ok(isSame, `${name}: ${answer.text}`);
      }
    }
    assert.equal(foreign.seen.length, 0);
  });
  await t.step("a session serves its principal only, and this endpoint only", async () => {
    const { token: other } = await gateway.mint({ tenant: "default", agent: "b", ...grants });
    const thief = new Agent(`${gateway.url}/mcp`, other);
    thief.session = legacy.session;
    assert.equal((await thief.call("a__one")).status, 404);
    const elsewhere = new Agent(`${gateway.url}/mcp/a`, token);
    elsewhere.session = legacy.session;
    assert.equal((await elsewhere.call("one")).status, 404);
    assert.equal((await new Agent(`${gateway.url}/mcp/*`, token).request("ping")).status, 200);
  });
  await t.step("changed tools are announced to who may list them", async () => {
    const response = await modern.open("subscriptions/listen", { notifications: { toolsListChanged: true } });
    const next = messagesOf(response);
    assert.equal((await next())?.method, "notifications/subscriptions/acknowledged");
    const change = await gateway.api("POST", "/api/v1/tools/a/one/block", { reason: "test" });
    assert.equal(change.status, 200, await change.text());
    assert.equal((await next())?.method, "notifications/tools/list_changed");
    assert.deepEqual(await pages(modern), [["a__two", "b__four"], ["a__three"]]);
    await response.body?.cancel().catch(() => {});
  });
});

Deno.test("no refusal at /mcp, nor one of the modern era, tells a hidden upstream from a missing one", async () => {
  await using server = pagedServer(["one"]);
  const loud = { url: server.url, refusals: "tool_result" };
  await using gateway = await startGateway({
    config: {
      pipeline: [{ check: "capability" }],
      upstreams: { mine: loud, others: { ...loud, tenants: ["acme"] }, unscoped: loud },
    },
  });
  const mint = async (tenant: string, upstreams: readonly string[]) => {
    const grants = { upstreams, tools: ["one", "no*"], ttl_seconds: 600 };
    return (await gateway.mint({ tenant, agent: "a", ...grants })).token;
  };
  assert.equal((await gateway.api("POST", "/api/v1/tenants", { name: "acme" })).status, 201);
  // Who may use them makes the gateway know what they speak.
  const acme = await mint("acme", ["*"]);
  for (const name of ["others", "unscoped"]) {
    await new ModernAgent(`${gateway.url}/mcp/${name}`, acme).request("tools/list");
  }
  const token = await mint("default", ["mine"]);
  const legacy = await Agent.connect(gateway.url, undefined, token);
  const modern = new ModernAgent(`${gateway.url}/mcp`, token);
  const seen = async (answer: ReturnType<ModernAgent["call"]>) => {
    const { status, text } = await answer;
    return [status, text.replace(/"decision_id":"[^"]*"/, "").replace(/"id":\d+/, "")];
  };
  for (const tool of ["one", "two", "none"]) {
    for (const name of ["others", "unscoped"]) {
      for (const agent of [legacy, modern]) {
        assert.deepEqual(
          await seen(agent.call(`${name}__${tool}`)),
          await seen(agent.call(`missing__${tool}`)),
          `${name} ${tool}`,
        );
      }
      const alone = (upstream: string) =>
        seen(new ModernAgent(`${gateway.url}/mcp/${upstream}`, token).call(tool));
      assert.deepEqual(await alone(name), await alone("missing"), `${name} ${tool}`);
    }
    if (tool === "one") continue;
    for (const agent of [legacy, modern]) {
      assert.deepEqual(
        await seen(agent.call(`mine__${tool}`)),
        await seen(agent.call(`missing__${tool}`)),
        tool,
      );
    }
  }
});

Deno.test("what cannot be an upstream's name enters no event, from wherever it comes", async () => {
  await using server = pagedServer(["one"]);
  await using gateway = await startGateway({
    config: { pipeline: [{ check: "capability" }], upstreams: { mine: { url: server.url } } },
  });
  const grants = { upstreams: ["*"], tools: ["*"], resources: ["*"], ttl_seconds: 600 };
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ...grants });
  const modern = new ModernAgent(`${gateway.url}/mcp`, token);
  const odd = "We ird*";
  const resourceSubscriptions = [`intentgate://${odd}/a`, "intentgate://*/a", "intentgate://Mine/a"];
  const response = await modern.open("subscriptions/listen", { notifications: { resourceSubscriptions } });
  const acknowledged = await messagesOf(response)();
  assert.deepEqual(acknowledged?.params, { notifications: {}, _meta: { [SUBSCRIPTION_META]: 1 } });
  await response.body?.cancel().catch(() => {});
  await modern.call(`${odd}__a`);
  const names = (await events(gateway, "default")).map(({ api }) => api?.service?.name)
    .filter((name) => name !== undefined);
  assert.ok(names.every((name) => /^[a-z0-9_-]+$/.test(String(name))), JSON.stringify(names));
});
