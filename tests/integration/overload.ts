/** What tests of an overloaded gateway measure and hold it to. */
import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import { flood, type FloodPlan, type FloodReport } from "../flood.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import type { DatabaseFixture } from "./databases.ts";
import { start } from "./gateways.ts";

/** Calls of the agent, on more connections than the gateway decides at once. */
export function planOf(agent: Agent): Omit<FloodPlan, "ratePerSecond" | "seconds"> {
  const headers = {
    authorization: `Bearer ${agent.token}`,
    ...(agent.session === undefined ? {} : { "mcp-session-id": agent.session }),
  };
  return { url: agent.url, headers, connections: 1_000, first: 1 };
}

/** Allowed calls a second when 40 clients each wait for their answer: less than what is decided at once. */
export async function measureCapacity(agent: Agent, seconds: number): Promise<number> {
  const plan = { ...planOf(agent), connections: 40, ratePerSecond: 5_000 };
  await flood({ ...plan, seconds: 1 }); // just-in-time compilation
  const { allowed, overloaded, seconds: took } = await flood({ ...plan, seconds });
  assert.equal(overloaded, 0, "the capacity is measured without refusals");
  return allowed / took;
}

/** Most of what is possible was done, and everything else was refused in the one right way. */
export function judgeFlood(report: FloodReport, before: number, after: number): void {
  const text = `${JSON.stringify(report)}; capacity ${before} before, ${after} after`;
  assert.deepEqual(report.others, {}, text);
  assert.equal(report.broken, 0, text);
  assert.equal(report.allowed + report.overloaded, report.sent, text);
  assert.ok(report.overloaded > report.sent / 3, text);
  // The machine does other things too: the lower of both figures is what it could do meanwhile.
  const capacity = Math.min(before, after);
  assert.ok(report.allowed / report.seconds >= 0.8 * capacity, text);
  assert.ok(report.allowedMs.p99 < 2_000, text);
  assert.ok(report.overloadedMs.p99 < 1_500, text);
}

/** One number of `/metrics`. */
export async function metric(gateway: GatewayProcess, series: string): Promise<number> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return Number(line?.split(" ").at(-1));
}

/** Asks for health and readiness again and again, and looks at the memory. */
export function watchHealth(gateway: GatewayProcess) {
  const seen = { slowestMs: 0, answered: 0, peakBytes: 0, failures: [] as string[] };
  const state = { isOver: false };
  const ask = async (path: string) => {
    while (!state.isOver) {
      const startedMs = performance.now();
      try {
        const response = await fetch(`${gateway.url}${path}`);
        await response.body?.cancel();
        if (response.status !== 200) seen.failures.push(`${path} ${response.status}`);
      } catch (error) {
        seen.failures.push(`${path} ${error}`);
        return;
      }
      seen.slowestMs = Math.max(seen.slowestMs, performance.now() - startedMs);
      seen.answered++;
      const status = await Deno.readTextFile(`/proc/${gateway.pid}/status`);
      seen.peakBytes = Math.max(seen.peakBytes, 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]));
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  };
  const asking = Promise.all(["/healthz", "/readyz"].map(ask));
  return {
    stop: async () => {
      state.isOver = true;
      await asking;
      return seen;
    },
  };
}

/** Offers three times what the gateway can do for so long, and holds it to everything that is promised then. */
export async function withstandThreefold(fixture: DatabaseFixture, seconds: number): Promise<void> {
  const upstream = startEffectServer();
  const config = { upstreams: { effects: { url: upstream.url, max_concurrent: 2_000 } } };
  const gateway = await start(fixture, { config });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 3_600 });
  const agent = await Agent.connect(gateway.url, "effects", token);
  const capacity = await measureCapacity(agent, 3);
  const health = watchHealth(gateway);
  const report = await flood({ ...planOf(agent), ratePerSecond: 3 * capacity, seconds });
  const { slowestMs, answered, peakBytes, failures } = await health.stop();
  judgeFlood(report, capacity, await measureCapacity(agent, 3));
  assert.deepEqual(failures, []);
  assert.ok(answered >= seconds, `${answered} answers of /healthz and /readyz`);
  assert.ok(slowestMs < 1_000, `/healthz or /readyz took ${slowestMs} ms`);
  assert.ok(peakBytes < 1_000_000_000, `${peakBytes} bytes`);
  const startedMs = performance.now();
  for (let n = 1; n <= 20; n++) assert.equal(resultOf(await agent.call("count", { n })), "ok");
  assert.ok((performance.now() - startedMs) / 20 < 100, "calls are fast again");
  assert.ok(await metric(gateway, 'intentgate_overload_refusals_total{reason="deciding"}') > 0);
  for (const name of ["reading", "deciding", "forwarded"]) {
    assert.equal(await metric(gateway, `intentgate_requests_${name}`), 0, name);
  }
  await gateway.stop();
  await upstream.close();
}
