/** What happens between the decision and its forward: the narrow gap in which most gateways lose calls or records. */
import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import { startGateway } from "../gateway_process.ts";
import { createDatabaseTests } from "./databases.ts";
import { events, eventually, start, verdict } from "./gateways.ts";

const { testPostgres } = createDatabaseTests();

/** A TCP relay in front of a server that can stop relaying: connections then hang before a byte arrives. */
function startRelay(target: URL) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const state = { stalled: false };
  const open = new Set<Deno.Conn>();
  const relay = async (from: Deno.Conn, to: Deno.Conn, stalls: boolean) => {
    const buffer = new Uint8Array(65_536);
    for (let read = await from.read(buffer); read !== null; read = await from.read(buffer)) {
      if (stalls && state.stalled) continue; // swallowed: the server never sees it
      for (let sent = 0; sent < read;) sent += await to.write(buffer.subarray(sent, read));
    }
  };
  const accept = async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname: target.hostname, port: Number(target.port) });
      open.add(client).add(server);
      relay(client, server, true).catch(() => {});
      relay(server, client, false).catch(() => {});
    }
  };
  accept().catch(() => {});
  return {
    url: `http://127.0.0.1:${listener.addr.port}${target.pathname}`,
    state,
    close: () => {
      listener.close();
      for (const connection of open) {
        try {
          connection.close();
        } catch {
          // It was closed by the other side.
        }
      }
    },
  };
}

Deno.test("kill -9 after the decision and before the upstream sees the call: recorded, no effect, outcome unknown", async () => {
  const upstream = startEffectServer();
  const relay = startRelay(new URL(upstream.url));
  const dataDir = await Deno.makeTempDir();
  const config = { upstreams: { effects: { url: relay.url } } };
  const gateway = await startGateway({ config, dataDir });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "effects", token);
  assert.equal(resultOf(await agent.call("count", { n: 1 })), "ok");
  relay.state.stalled = true;
  const cutOff = agent.call("count", { n: 2 }).catch(() => "cut off");
  const allows = async () =>
    (await events(gateway, "default")).filter((event) => event.unmapped.decision === "allow");
  await eventually(async () => (await allows()).length === 2, "the second decision");
  await gateway.kill();
  assert.equal(await cutOff, "cut off");
  assert.deepEqual(upstream.effects, [1]);
  relay.state.stalled = false;
  await using again = await startGateway({ config, dataDir });
  const all = await events(again, "default");
  const outcomes = all.filter((event) => event.metadata.event_code === "call.ended");
  assert.deepEqual(outcomes.map((event) => event.unmapped.outcome), ["ok", "unknown"]);
  assert.deepEqual(upstream.effects, [1], "nothing was sent after the restart");
  assert.equal(await verdict(again, "default"), "verified");
  relay.close();
  await upstream.close();
});

testPostgres(
  "a client that goes away while its decision commits gets no effect: not_forwarded",
  async (fixture) => {
    const upstream = startEffectServer();
    await using gateway = await start(fixture, { config: { upstreams: { effects: { url: upstream.url } } } });
    const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600, max_calls: 1 });
    const agent = await Agent.connect(gateway.url, "effects", token);
    await agent.list(); // the catalogue is read
    const db = await fixture.open();
    const abort = new AbortController();
    await db.sql.begin(async (sql) => {
      await sql`SELECT FROM audit_heads WHERE chain = 'default' FOR UPDATE`;
      const call = {
        jsonrpc: "2.0",
        id: 9,
        method: "tools/call",
        params: { name: "count", arguments: { n: 9 } },
      };
      const gone = agent.send(call, {}, abort.signal).catch((error) => error.name);
      await new Promise((resolve) => setTimeout(resolve, 300));
      abort.abort();
      assert.equal(await gone, "AbortError");
      await new Promise((resolve) => setTimeout(resolve, 300));
    });
    const ended = async () =>
      (await events(gateway, "default")).filter((event) => event.metadata.event_code === "call.ended");
    await eventually(async () => (await ended()).length === 1, "the outcome");
    const [outcome] = await ended();
    assert.deepEqual([outcome.unmapped.outcome, outcome.status_code], ["not_forwarded", "client_gone"]);
    assert.deepEqual(upstream.effects, []);
    assert.equal(resultOf(await agent.call("count", { n: 1 })), "ok", "the counted call was given back");
    assert.equal(resultOf(await agent.call("count", { n: 2 })), "max_calls_reached");
    await upstream.close();
  },
);

testPostgres(
  "a decision that commits too late is refused, never forwarded, and gets the outcome not_forwarded",
  async (fixture) => {
    const upstream = startEffectServer();
    const config = { upstreams: { effects: { url: upstream.url } }, decision_timeout_ms: 400 };
    await using gateway = await start(fixture, { config });
    const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600, max_calls: 1 });
    const agent = await Agent.connect(gateway.url, "effects", token);
    await agent.list();
    const db = await fixture.open();
    await db.sql.begin(async (sql) => {
      await sql`SELECT FROM audit_heads WHERE chain = 'default' FOR UPDATE`;
      const refused = await agent.call("count", { n: 9 });
      assert.deepEqual([resultOf(refused), refused.message.error.code], ["audit_unavailable", -31016]);
    });
    const ended = async () =>
      (await events(gateway, "default")).filter((event) => event.metadata.event_code === "call.ended");
    await eventually(async () => (await ended()).length === 1, "the outcome", 15_000);
    const [outcome] = await ended();
    assert.deepEqual([outcome.unmapped.outcome, outcome.status_code], ["not_forwarded", "recorded_late"]);
    assert.deepEqual(upstream.effects, []);
    assert.equal(resultOf(await agent.call("count", { n: 1 })), "ok", "the counted call was given back");
    assert.equal(await verdict(gateway, "default"), "verified");
    await upstream.close();
  },
);
