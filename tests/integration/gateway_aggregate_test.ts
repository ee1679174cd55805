/** The endpoint of all upstreams. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { startServer, type TestServer } from "../../mcp/front_fixture.ts";
import { Agent, resultOf } from "../agent.ts";
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
