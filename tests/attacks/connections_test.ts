/** Threat: a peer without any token opens connections and says little or nothing on them. */
import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import {
  gatewayFromSource,
  type GatewayOptions,
  type GatewayProcess,
  startGateway,
} from "../gateway_process.ts";
import { startEffectServer } from "../effect_server.ts";
import { createDatabaseTests } from "../integration/databases.ts";
import { eventually, start } from "../integration/gateways.ts";
import { postHead, sendRaw } from "./raw_http.ts";

const { testPostgres } = createDatabaseTests();

/** The gateway's own limit on the headers of a connection's first request. */
const HEADER_TIMEOUT_MS = 10_000;

async function openSlow(url: string, count: number): Promise<Deno.TcpConn[]> {
  const { hostname, port } = new URL(url);
  const opened: Deno.TcpConn[] = [];
  for (let index = 0; index < count; index++) {
    try {
      const connection = await Deno.connect({ hostname, port: Number(port) });
      await connection.write(
        new TextEncoder().encode("POST /mcp/effects HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "),
      );
      opened.push(connection);
    } catch {
      // Refused or ended already: that is one less to hold.
    }
  }
  return opened;
}

function closeAll(connections: readonly Deno.Conn[]): void {
  for (const connection of connections) connection.close();
}

async function gauge(gateway: GatewayProcess, name: string): Promise<number> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  return Number(new RegExp(`^${name.replaceAll(/[{}"]/g, "\\$&")} (\\S+)$`, "m").exec(text)?.[1]);
}

async function startWith(
  config: Record<string, number>,
  begin: (options: GatewayOptions) => Promise<GatewayProcess> = startGateway,
) {
  const upstream = startEffectServer();
  const gateway = await begin({ config: { ...config, upstreams: { effects: { url: upstream.url } } } });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "effects", token);
  const stop = async () => {
    await gateway.stop();
    await upstream.close();
  };
  return { gateway, agent, stop };
}

/** The slowest of some calls, each of which must be allowed. */
async function slowestCallMs(agent: Agent, count: number): Promise<number> {
  let slowest = 0;
  for (let n = 1; n <= count; n++) {
    const startedMs = performance.now();
    assert.equal(resultOf(await agent.call("count", { n })), "ok");
    slowest = Math.max(slowest, performance.now() - startedMs);
  }
  return slowest;
}

Deno.test("2,000 connections whose headers never end are ended, and meanwhile calls are served", async () => {
  const careless = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("ok"),
  );
  const [victim] = await openSlow(`http://127.0.0.1:${careless.addr.port}`, 1);
  let victimEnded = false;
  const victimRead = victim?.read(new Uint8Array(1)).catch(() => {}).finally(() => victimEnded = true);
  const { gateway, agent, stop } = await startWith({});
  const before = await slowestCallMs(agent, 20);
  const slow = await openSlow(gateway.url, 2_000);
  assert.equal(slow.length, 2_000);
  await eventually(async () => await gauge(gateway, "intentgate_connections") >= 2_000, "counting them");
  const during = await slowestCallMs(agent, 50);
  assert.ok(during < Math.max(500, 20 * before), `${during} ms with them, ${before} ms without`);
  const memory = await Deno.readTextFile(`/proc/${gateway.pid}/status`);
  assert.ok(Number(/VmHWM:\s+(\d+)/.exec(memory)?.[1]) < 1_000_000);
  const gone = async () => await gauge(gateway, "intentgate_connections") < 20;
  await eventually(gone, "ending them", HEADER_TIMEOUT_MS + 10_000);
  assert.equal(await gauge(gateway, 'intentgate_closed_connections_total{reason="slow_headers"}'), 2_000);
  assert.equal(victimEnded, false, "a server without the guard still waits");
  await slowestCallMs(agent, 5);
  closeAll([...slow, ...(victim === undefined ? [] : [victim])]);
  await victimRead;
  await careless.shutdown();
  await stop();
});

Deno.test("more connections than allowed: those that do nothing go, calls and their streams of answers stay", async () => {
  const { gateway, agent, stop } = await startWith({ max_connections: 64 });
  const hanging = new AbortController();
  const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "hang", arguments: { n: 1 } } };
  const held = agent.send(call, {}, hanging.signal).then(() => "answered", () => "aborted");
  const slow = await openSlow(gateway.url, 500);
  await eventually(
    async () => await gauge(gateway, 'intentgate_closed_connections_total{reason="too_many"}') > 300,
    "ending the surplus",
  );
  assert.ok(await gauge(gateway, "intentgate_connections") <= 64);
  await slowestCallMs(agent, 10);
  assert.equal(await Promise.race([held, Promise.resolve("waits")]), "waits", "the call under way stays");
  hanging.abort();
  assert.equal(await held, "aborted");
  closeAll(slow);
  await stop();
});

Deno.test("one address gets no more than its connections when that is configured", async () => {
  const { gateway, agent, stop } = await startWith({ max_connections_per_address: 32 });
  const slow = await openSlow(gateway.url, 200);
  await eventually(
    async () =>
      await gauge(gateway, 'intentgate_closed_connections_total{reason="too_many_of_address"}') > 100,
    "ending the surplus",
  );
  await slowestCallMs(agent, 5);
  closeAll(slow);
  await stop();
});

testPostgres("a process that runs out of file descriptors goes on serving", async (fixture) => {
  const [program = "", ...args] = gatewayFromSource();
  const limited = ["bash", "-c", 'ulimit -n 120; exec "$@"', "limited", program, ...args];
  const { gateway, agent, stop } = await startWith(
    {},
    (options) => start(fixture, { ...options, command: limited }),
  );
  for (let round = 0; round < 3; round++) {
    const slow = await openSlow(gateway.url, 300);
    closeAll(slow);
  }
  assert.match(gateway.stderr, /A listener failed and opens again/, "it did run out");
  await eventually(
    async () => {
      try {
        return resultOf(await agent.call("count", { n: 1 })) === "ok";
      } catch {
        return false;
      }
    },
    "serving again",
    15_000,
  );
  await slowestCallMs(agent, 20);
  await stop();
});

Deno.test("headers that are too many or too long are no request, and cost no memory", async () => {
  const { gateway, agent, stop } = await startWith({});
  const many = Array.from({ length: 200 }, (_, index) => `X-${index}: y`);
  assert.match(await sendRaw(gateway.url, postHead("/mcp/effects", ...many)), /^HTTP\/1\.1 4(00|31) /);
  const rss = async () => await gauge(gateway, "process_resident_memory_bytes");
  const before = await rss();
  const endless = postHead("/mcp/effects", `X: ${"y".repeat(8_000_000)}`);
  await Promise.all(Array.from({ length: 20 }, () => sendRaw(gateway.url, endless)));
  assert.ok(await rss() - before < 64_000_000, `${before} before, ${await rss()} after`);
  await slowestCallMs(agent, 5);
  await stop();
});
