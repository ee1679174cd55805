/** The database behind a spoiled network: black-holed, slow, flapping. Nothing happens without its record. */
import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startLoad } from "../constant_load.ts";
import { judgeEffects } from "../effect_ledger.ts";
import { startEffectServer } from "../effect_server.ts";
import { type GatewayProcess, startGateway } from "../gateway_process.ts";
import { createDatabaseTests, type DatabaseFixture } from "../integration/databases.ts";
import { eventually, noLateRecords, verdict } from "../integration/gateways.ts";
import { startToxiproxy, type Toxiproxy } from "./toxiproxy.ts";

const { testPostgres } = createDatabaseTests();

const DECISION_TIMEOUT_MS = 1_500;
/** On a busy machine an answer may be this much later than the deadline. */
const SLACK_MS = 2_500;

interface World {
  readonly gateway: GatewayProcess;
  readonly agent: Agent;
  readonly proxy: Toxiproxy;
  readonly effects: readonly number[];
}

/** Runs a scenario under 100 calls a second, waits for the recovery, and settles the accounts. */
async function underLoad(
  fixture: DatabaseFixture,
  databasePort: number,
  scenario: (world: World) => Promise<void>,
): Promise<void> {
  const upstream = startEffectServer();
  const proxy = await startToxiproxy(databasePort);
  const gateway = await startGateway({
    migrationUrl: fixture.migrationUrl!,
    databaseUrl: fixture.databaseUrl!.replace(`:${databasePort}/`, `:${proxy.port}/`),
    config: {
      ...{ upstreams: { effects: { url: upstream.url } }, decision_timeout_ms: DECISION_TIMEOUT_MS },
      database_timeout_ms: 1_000,
    },
  });
  try {
    const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
    const agent = await Agent.connect(gateway.url, "effects", token);
    const load = startLoad(agent, 100);
    await eventually(() => upstream.effects.length >= 50, "some effects", 15_000);
    await scenario({ gateway, agent, proxy, effects: upstream.effects });
    await proxy.heal();
    const before = upstream.effects.length;
    await eventually(() => upstream.effects.length >= before + 50, "the recovery", 30_000);
    const report = await load.stop();
    const db = await fixture.open();
    const open = async () => (await db.sql`SELECT 1 FROM open_decisions LIMIT 1`).length;
    await eventually(async () => await open() === 0, "an outcome for every allow", 60_000);
    await noLateRecords(gateway);
    const summary = await judgeEffects(db, "default", upstream.effects, report);
    assert.equal(await verdict(gateway, "default"), "verified");
    assert.equal(report.unanswered.length, 0, "the gateway left a call without an answer");
    console.log(JSON.stringify({ ...summary, effects: upstream.effects.length, skipped: report.skipped }));
  } finally {
    await gateway.stop();
    await proxy.close();
    await upstream.close();
  }
}

async function expectRefusedInTime({ agent }: World): Promise<void> {
  const startedMs = performance.now();
  const answer = await agent.call("count", { n: -1 });
  assert.notEqual(resultOf(answer), "ok");
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs < DECISION_TIMEOUT_MS + SLACK_MS, `the refusal took ${tookMs.toFixed(0)} ms`);
}

testPostgres(
  "a black-holed database: calls are refused in time, and service comes back",
  (fixture, cluster) =>
    underLoad(fixture, cluster.port, async (world) => {
      await world.proxy.blackHole();
      await pause(1_000);
      const effects = world.effects.length;
      for (let call = 0; call < 5; call++) await expectRefusedInTime(world);
      await pause(3_000);
      assert.equal(world.effects.length, effects, "a call was forwarded without a record");
      assert.equal(await fetch(`${world.gateway.url}/readyz`).then(statusOf), 503);
      assert.equal(await fetch(`${world.gateway.url}/healthz`).then(statusOf), 200);
    }),
);

testPostgres(
  "a slow database: calls slower than the deadline are refused and not forwarded",
  (fixture, cluster) =>
    underLoad(fixture, cluster.port, async (world) => {
      await world.proxy.slow(200);
      await pause(3_000);
      await world.proxy.heal();
      await world.proxy.slow(4_000);
      await pause(1_000);
      const effects = world.effects.length;
      await expectRefusedInTime(world);
      await pause(3_000);
      assert.equal(world.effects.length, effects, "a call was forwarded before its record was known");
    }),
);

testPostgres(
  "a flapping database: ten times away and back",
  (fixture, cluster) =>
    underLoad(fixture, cluster.port, async ({ proxy }) => {
      for (let flap = 0; flap < 10; flap++) {
        await proxy.enable(false);
        await pause(200 + 60 * flap);
        await proxy.enable(true);
        await pause(800 - 60 * flap);
      }
    }),
);

async function statusOf(response: Response): Promise<number> {
  await response.body?.cancel();
  return response.status;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
