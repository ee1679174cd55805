import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests } from "./databases.ts";
import { events, eventually, start, verdict } from "./gateways.ts";

const { test, testPostgres } = createDatabaseTests();
const PATH = "/api/v1/kill-switches";

async function engage(gateway: GatewayProcess, body: Record<string, string>): Promise<number> {
  const answer = await gateway.api("POST", PATH, { ...body, reason: "drill" });
  assert.equal(answer.status, 201);
  return (await answer.json()).number;
}

async function release(gateway: GatewayProcess, number: number): Promise<void> {
  const answer = await gateway.api("POST", `${PATH}/${number}/release`, { reason: "over" });
  assert.equal(answer.status, 200);
}

test("a kill switch stops calls and discovery of what it names, and nothing else, until its release", async (fixture) => {
  const upstream = startEffectServer();
  await using gateway = await start(fixture, { config: { upstreams: { effects: { url: upstream.url } } } });
  const agentOf = async (agent: string) => {
    const { token } = await gateway.mint({ tenant: "default", agent, ttl_seconds: 600 });
    return await Agent.connect(gateway.url, "effects", token);
  };
  const [one, two] = [await agentOf("one"), await agentOf("two")];
  const scopes = [
    { scope: "all" },
    { scope: "tenant", tenant: "default" },
    { scope: "upstream", value: "effects" },
    { scope: "upstream", tenant: "default", value: "effects" },
    { scope: "agent", tenant: "default", value: "one" },
  ];
  for (const body of [...scopes, ...scopes]) {
    const number = await engage(gateway, body);
    await eventually(async () => resultOf(await one.call("count")) !== "ok", "the switch", 1_000);
    const effects = upstream.effects.length;
    const refused = await one.call("count");
    assert.equal(refused.status, 200);
    assert.equal(refused.headers.get("www-authenticate"), null);
    assert.equal(refused.message.error.code, -31010);
    const { check, code, reason } = refused.message.error.data;
    assert.deepEqual([check, code], ["capability", "kill_switch_engaged"]);
    assert.match(reason, new RegExp(`scope "${body.scope}"`));
    for (const method of ["tools/list", "ping", "initialize"]) {
      assert.equal(resultOf(await one.request(method, {})), "kill_switch_engaged", method);
    }
    assert.equal(resultOf(await two.call("count")), body.scope === "agent" ? "ok" : "kill_switch_engaged");
    assert.equal(upstream.effects.length, effects + (body.scope === "agent" ? 1 : 0));
    const ready = await fetch(`${gateway.url}/readyz`);
    assert.equal(ready.status, 200);
    const [shown, ...others] = (await ready.json()).kill_switches;
    assert.deepEqual([Object.keys(shown), shown.scope, others], [["scope", "since"], body.scope, []]);
    assert.ok(Math.abs(shown.since - Date.now() / 1000) < 60);
    await release(gateway, number);
    await eventually(async () => resultOf(await one.call("count")) === "ok", "the release", 1_000);
    assert.deepEqual((await (await fetch(`${gateway.url}/readyz`)).json()).kill_switches, []);
  }
  const codes = async (chain: string) =>
    (await events(gateway, chain)).filter(({ entity }) => entity?.type === "kill_switch")
      .map(({ metadata }) => metadata.event_code);
  const pairs = (count: number) => Array(count).fill(["kill_switch.engaged", "kill_switch.released"]).flat();
  assert.deepEqual(await codes("default"), pairs(6));
  assert.deepEqual(await codes("~installation"), pairs(4));
  assert.equal(await verdict(gateway, "~installation"), "verified");
  const revoked = await gateway.mint({ tenant: "default", agent: "one", ttl_seconds: 600 });
  const { jti } = revoked;
  const answer = await gateway.api("POST", "/api/v1/revocations", { tenant: "default", jti, reason: "x" });
  const { number } = await answer.json();
  assert.equal((await gateway.api("POST", `${PATH}/${number}/release`, { reason: "x" })).status, 404);
  await upstream.close();
});

test("a switch that was engaged before a start holds from the first call on", async (fixture) => {
  const upstream = startEffectServer();
  const config = { upstreams: { effects: { url: upstream.url } } };
  const dataDir = `${fixture.dataDir}/gateway`;
  const first = await start(fixture, { config, dataDir });
  const { token } = await first.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const agent = await Agent.connect(first.url, "effects", token);
  const [released, engaged] = [
    await engage(first, { scope: "tenant", tenant: "default" }),
    await engage(first, { scope: "tenant", tenant: "default" }),
  ];
  await release(first, released);
  await first.stop();
  await using second = await start(fixture, { config, dataDir });
  const again = new Agent(`${second.url}/mcp/effects`, token);
  again.session = agent.session;
  assert.equal(resultOf(await again.call("count")), "kill_switch_engaged");
  await release(second, engaged);
  await eventually(async () => resultOf(await again.call("count")) === "ok", "the release", 1_000);
  await upstream.close();
});

/** An upstream whose sessions have a stream that never ends by itself. */
function startStreamServer() {
  const abort = new AbortController();
  const server = Deno.serve({
    ...{ hostname: "127.0.0.1", port: 0, signal: abort.signal, onListen: () => {} },
  }, async (request) => {
    if (request.method === "GET") {
      const body = new ReadableStream({
        start: (out) => out.enqueue(new TextEncoder().encode(": open\n\n")),
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    }
    const { id } = await request.json();
    if (id === undefined) return new Response(null, { status: 202 });
    const result = {
      ...{ protocolVersion: "2025-11-25", capabilities: {} },
      serverInfo: { name: "streams", version: "0" },
    };
    return Response.json({ jsonrpc: "2.0", id, result }, { headers: { "mcp-session-id": "s" } });
  });
  const close = async () => {
    abort.abort();
    await server.finished;
  };
  return { url: `http://127.0.0.1:${server.addr.port}/mcp`, close };
}

test("a kill switch ends the open streams of what it names, which cannot open another; others keep theirs", async (fixture) => {
  const upstream = startStreamServer();
  await using gateway = await start(fixture, { config: { upstreams: { streams: { url: upstream.url } } } });
  const agents = [];
  for (const name of ["one", "two"]) {
    const { token } = await gateway.mint({ tenant: "default", agent: name, ttl_seconds: 600 });
    agents.push(await Agent.connect(gateway.url, "streams", token));
  }
  const open = (agent: Agent | undefined) =>
    fetch(agent?.url ?? "", {
      headers: {
        ...{ accept: "text/event-stream", authorization: `Bearer ${agent?.token}` },
        "mcp-session-id": agent?.session ?? "",
      },
    });
  const streams = await Promise.all(agents.map(open));
  assert.deepEqual(streams.map(({ status }) => status), [200, 200]);
  const engagedAt = performance.now();
  await engage(gateway, { scope: "agent", tenant: "default", value: "one" });
  await streams[0]?.text().catch(() => "cut off");
  assert.ok(performance.now() - engagedAt < 2_000);
  const other = streams[1]?.body?.getReader();
  // The server's first event holds only a comment, which does not pass.
  const stays = new Promise((resolve) => setTimeout(() => resolve("still open"), 500));
  const ended = other?.read().then(({ done }) => done ? "ended" : "more");
  assert.equal(await Promise.race([ended, stays]), "still open");
  await other?.cancel();
  const refused = await open(agents[0]);
  assert.equal((await refused.json()).error.data.code, "kill_switch_engaged");
  const again = await open(agents[1]);
  assert.equal(again.headers.get("content-type"), "text/event-stream");
  await again.body?.cancel();
  await upstream.close();
});

testPostgres(
  "a switch engaged and released on one replica holds on the other within a second",
  async (fixture) => {
    const upstream = startEffectServer();
    const config = { upstreams: { effects: { url: upstream.url } } };
    await using one = await start(fixture, { config });
    const keys = await Deno.readTextFile(`${one.dataDir}/keys.json`);
    await using two = await start(fixture, { config, env: { INTENTGATE_KEYS: keys } });
    const { token } = await one.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
    const agent = await Agent.connect(two.url, "effects", token);
    for (let round = 0; round < 3; round++) {
      const engagedAt = performance.now();
      const number = await engage(one, { scope: "agent", tenant: "default", value: "a" });
      const stopped = async () => resultOf(await agent.call("count")) === "kill_switch_engaged";
      await eventually(stopped, "the switch", 1_000);
      const releasedAt = performance.now();
      await release(one, number);
      await eventually(async () => resultOf(await agent.call("count")) === "ok", "the release", 1_000);
      const ms = (from: number, to: number) => (to - from).toFixed(0);
      console.log(
        `engaged after ${ms(engagedAt, releasedAt)} ms, released after ${
          ms(releasedAt, performance.now())
        } ms on the other replica`,
      );
    }
    await upstream.close();
  },
);
