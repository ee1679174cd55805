/** Kills the gateway and PostgreSQL in turn while calls keep coming, then settles the accounts. */
import assert from "node:assert/strict";
import { verifyExport } from "../audit/export/verify_export.ts";
import { parseVerifierKey } from "../audit/signed_note.ts";
import { Agent } from "./agent.ts";
import { type ConstantLoad, type LoadReport, startLoad } from "./constant_load.ts";
import { judgeEffects } from "./effect_ledger.ts";
import { startEffectServer } from "./effect_server.ts";
import { freePort, type GatewayProcess, startGateway } from "./gateway_process.ts";
import type { DatabaseFixture } from "./integration/databases.ts";
import { eventually, noLateRecords, urlsOf, verdict } from "./integration/gateways.ts";
import type { PostgresCluster } from "./integration/postgres_cluster.ts";

export interface KillLoopOptions {
  /** Even rounds kill the gateway, odd ones PostgreSQL. */
  readonly rounds: number;
  readonly ratePerSecond: number;
  /** Answered calls that must go through between two kills, so that each hits a working gateway. */
  readonly okCallsPerRound: number;
}

/** A lease ends 15 s after its replica; then another one writes `unknown` for what it left open. */
const OUTCOMES_TIMEOUT_MS = 60_000;
const RECOVERY_TIMEOUT_MS = 30_000;

/** Runs the loop and asserts what must hold; returns one line that says how much was really offered and done. */
export async function runKillLoop(
  fixture: DatabaseFixture,
  cluster: PostgresCluster,
  options: KillLoopOptions,
): Promise<string> {
  const upstream = startEffectServer();
  const port = freePort();
  const startAgain = () =>
    startGateway({
      ...{ port, dataDir: fixture.dataDir, config: { upstreams: { effects: { url: upstream.url } } } },
      ...urlsOf(fixture),
    });
  let gateway = await startAgain();
  let held: string | undefined;
  try {
    const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 3_600 });
    const load = startLoad(await Agent.connect(gateway.url, "effects", token), options.ratePerSecond);
    for (let round = 0; round < options.rounds; round++) {
      await moreOk(load, options.okCallsPerRound, `round ${round}`);
      held = await evidenceHolds(gateway, held);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
      if (round % 2 === 0) {
        await gateway.kill();
        gateway = await startAgain();
      } else {
        await cluster.killHard();
        await cluster.restart();
      }
    }
    await moreOk(load, options.okCallsPerRound, "after the last round");
    await evidenceHolds(gateway, held);
    return await settle(fixture, gateway, upstream.effects, await load.stop(), options);
  } finally {
    await gateway.stop();
    await upstream.close();
  }
}

async function moreOk(load: ConstantLoad, count: number, when: string): Promise<void> {
  const before = load.answered.length;
  const served = () => load.answered.slice(before).filter(({ result }) => result === "ok").length >= count;
  await eventually(served, `${count} answers ${when}`, RECOVERY_TIMEOUT_MS);
}

/** Verifies the record, exports it, and checks the export against the checkpoint of the round before; returns the new one. */
async function evidenceHolds(gateway: GatewayProcess, held: string | undefined): Promise<string> {
  const get = (path: string) => gateway.api("GET", `/api/v1/audit/${path}`);
  assert.equal(await verdict(gateway, "default"), "verified");
  const { keys } = await (await get("log/default")).json();
  const size = held === undefined ? undefined : held.split("\n")[1];
  const exported = await get(`export?tenant=default${size === undefined ? "" : `&since_size=${size}`}`);
  const report = await verifyExport(exported.body ?? assert.fail(), {
    keys: keys.map(parseVerifierKey),
    ...(held === undefined ? {} : { checkpoint: held }),
  });
  assert.equal(report.verdict, "verified", JSON.stringify(report));
  assert.ok(report.events > 0);
  return await (await get("log/default/checkpoint")).text();
}

async function settle(
  fixture: DatabaseFixture,
  gateway: GatewayProcess,
  effects: readonly number[],
  load: LoadReport,
  { rounds, ratePerSecond, okCallsPerRound }: KillLoopOptions,
): Promise<string> {
  const db = await fixture.open();
  const open = async () => (await db.sql`SELECT 1 FROM open_decisions LIMIT 1`).length;
  await eventually(async () => await open() === 0, "an outcome for every allow", OUTCOMES_TIMEOUT_MS);
  await noLateRecords(gateway);
  const { allows, outcomes, unansweredEffects, late } = await judgeEffects(db, "default", effects, load);
  assert.ok(allows >= rounds * okCallsPerRound, `${allows} allows are too few to mean anything`);
  assert.equal(await verdict(gateway, "default"), "verified");
  const sent = load.answered.length + load.unanswered.length;
  const answers: Record<string, number> = {};
  for (const { result } of load.answered) answers[result] = (answers[result] ?? 0) + 1;
  const perSecond = (count: number) => `${(count / load.seconds).toFixed(0)}/s`;
  return `${rounds} kills in ${load.seconds.toFixed(0)} s: offered ${ratePerSecond}/s, sent ${
    perSecond(sent)
  }, ` +
    `served ${
      perSecond(effects.length)
    }; ${sent} calls, ${load.skipped} not sent, ${load.unanswered.length} ` +
    `unanswered, answers ${JSON.stringify(answers)}; ${allows} allows, ${effects.length} effects ` +
    `(${unansweredEffects} whose agent got no answer), ${late} recorded late, outcomes ${
      JSON.stringify(outcomes)
    }`;
}
