/** Much more is asked of a gateway than it can do: it does what it can, refuses the rest at once, and is well afterwards. */
import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { judgeEffects } from "../effect_ledger.ts";
import { startEffectServer } from "../effect_server.ts";
import { flood } from "../flood.ts";
import { freePort, type GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests } from "./databases.ts";
import { events, eventually, start, verdict } from "./gateways.ts";
import { measureCapacity, metric, planOf, withstandThreefold } from "./overload.ts";

const { test, testPostgres } = createDatabaseTests();

async function agentOf(gateway: GatewayProcess, upstream: string, tenant = "default"): Promise<Agent> {
  if (tenant !== "default") {
    const made = await gateway.api("POST", "/api/v1/tenants", { name: tenant });
    await made.body?.cancel();
  }
  const { token } = await gateway.mint({ tenant, agent: "a", ttl_seconds: 600 });
  return await Agent.connect(gateway.url, upstream, token);
}

test(
  "three times of what it can do: what is accepted stays fast, the rest gets 503 and retry-after",
  (fixture) => withstandThreefold(fixture, 8),
);

test("a tenant that floods takes nothing away from a quiet one", async (fixture) => {
  const upstream = startEffectServer();
  const config = { upstreams: { effects: { url: upstream.url } } };
  const gateway = await start(fixture, { config });
  const loud = await agentOf(gateway, "effects", "loud");
  const quiet = await agentOf(gateway, "effects", "quiet");
  const rate = Math.max(2_000, 3 * await measureCapacity(loud, 2));
  const [flooded, calm] = await Promise.all([
    flood({ ...planOf(loud), ratePerSecond: rate, seconds: 7 }),
    flood({ ...planOf(quiet), ratePerSecond: 20, seconds: 6, connections: 20 }),
  ]);
  assert.ok(flooded.overloaded > flooded.sent / 4, JSON.stringify(flooded));
  assert.equal(calm.allowed, calm.sent, JSON.stringify(calm));
  assert.ok(calm.sent >= 100 && calm.givenUp === 0, JSON.stringify(calm));
  assert.ok(calm.allowedMs.p99 < 2_000, JSON.stringify(calm));
  await gateway.stop();
  await upstream.close();
});

test("bodies that do not come take no place from those that do", async (fixture) => {
  const upstream = startEffectServer();
  const gateway = await start(fixture, { config: { upstreams: { effects: { url: upstream.url } } } });
  const agent = await agentOf(gateway, "effects");
  const { hostname, port } = new URL(gateway.url);
  const head = "POST /mcp/effects HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
    "Accept: application/json, text/event-stream\r\nContent-Length: 1000\r\n\r\n";
  const open = async () => {
    const connection = await Deno.connect({ hostname, port: Number(port) });
    await connection.write(new TextEncoder().encode(head));
    return connection;
  };
  const slow = [];
  for (let index = 0; index < 1_200; index++) slow.push(await open());
  await eventually(
    async () => await metric(gateway, 'intentgate_overload_refusals_total{reason="reading"}') > 250,
    "refusing the surplus",
  );
  const late = await open();
  const answer = new Uint8Array(12);
  await late.read(answer);
  assert.equal(new TextDecoder().decode(answer), "HTTP/1.1 503");
  for (let n = 1; n <= 20; n++) assert.equal(resultOf(await agent.call("count", { n })), "ok");
  for (const connection of [...slow, late]) connection.close();
  await eventually(async () => await metric(gateway, "intentgate_requests_reading") === 0, "leaving", 10_000);
  await gateway.stop();
  await upstream.close();
});

test("an upstream that hangs holds its own calls only, and one that is gone is not asked again and again", async (fixture) => {
  const upstream = startEffectServer();
  const port = freePort();
  const gone = { url: `http://127.0.0.1:${port}/mcp` };
  const config = {
    upstreams: { effects: { url: upstream.url }, busy: { url: upstream.url, max_concurrent: 8 }, gone },
  };
  const gateway = await start(fixture, { config });
  const agent = await agentOf(gateway, "effects");
  const busy = new Agent(`${gateway.url}/mcp/busy`, agent.token);
  busy.session = (await Agent.connect(gateway.url, "busy", agent.token ?? "")).session;
  const abort = new AbortController();
  const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "hang", arguments: { n: 1 } } };
  const held = Array.from({ length: 7 }, () => busy.send(call, {}, abort.signal).catch(() => {}));
  await eventually(async () => await metric(gateway, "intentgate_requests_forwarded") === 7, "holding them");
  const noneDeciding = async () => await metric(gateway, "intentgate_requests_deciding") === 0;
  await eventually(noneDeciding, "giving their places back once they are forwarded");
  const refused = await busy.call("count", { n: 2 });
  assert.equal(resultOf(refused), "upstream_busy");
  assert.equal(refused.message.error.data.retry_after, 1);
  assert.equal(resultOf(await agent.call("count", { n: 3 })), "ok", "other upstreams are not concerned");
  const [last] = (await events(gateway, "default")).filter((event) =>
    JSON.stringify(event).includes("upstream_busy")
  );
  assert.ok(last !== undefined, "the refusal is in the record");

  const initialize = async () => {
    const params = {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "t", version: "0" },
    };
    return await new Agent(`${gateway.url}/mcp/gone`, agent.token).request("initialize", params);
  };
  for (let failure = 0; failure < 5; failure++) assert.equal(resultOf(await initialize()), "upstream_failed");
  const answer = await initialize();
  assert.deepEqual([answer.status, resultOf(answer)], [503, "upstream_unavailable"]);
  assert.ok(Number(answer.headers.get("retry-after")) >= 1);
  const back = startEffectServer(port);
  await eventually(async () => (await initialize()).message?.result !== undefined, "finding it again", 8_000);
  assert.equal((await initialize()).status, 200);
  abort.abort();
  await Promise.all(held);
  await gateway.kill();
  await Promise.all([upstream.close(), back.close()]);
});

testPostgres(
  "a database that stalls under 1,000 open calls costs no outcome: one for each allow",
  async (fixture) => {
    const upstream = startEffectServer();
    const config = {
      upstreams: { effects: { url: upstream.url, max_concurrent: 2_000 } },
      database_timeout_ms: 1_000,
      decision_timeout_ms: 1_500,
    };
    const gateway = await start(fixture, { config });
    const agent = await agentOf(gateway, "effects");
    upstream.hold();
    const plan = { ...planOf(agent), ratePerSecond: 250, connections: 1_400 };
    const calls = flood({ ...plan, seconds: 5 });
    await eventually(() => upstream.effects.length >= 1_000, "a thousand open calls", 15_000);
    const db = await fixture.open();
    let release = () => {};
    const stalled = db.sql.begin(async (sql) => {
      await sql`SELECT 1 FROM audit_heads FOR UPDATE`;
      upstream.release();
      await new Promise<void>((resolve) => release = resolve);
    });
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    release();
    await stalled;
    const report = await calls;
    // A commit that came too late for its caller is closed by the sweeper.
    const allClosed = async () => (await db.sql`SELECT 1 FROM open_decisions`).length === 0;
    await eventually(allClosed, "all outcomes", 30_000);
    assert.ok(report.allowed >= 1_000, JSON.stringify(report));
    const nothing = { answered: [], unanswered: [], skipped: 0, seconds: 0 };
    const { allows, outcomes } = await judgeEffects(db, "default", upstream.effects, nothing);
    assert.ok(allows >= 1_000, `${allows} allows`);
    assert.equal(outcomes.ok, upstream.effects.length, "each has its one outcome");
    assert.equal(await verdict(gateway, "default"), "verified");
    await gateway.stop();
    await upstream.close();
  },
);
