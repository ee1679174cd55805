/** The wall clock of the gateway jumps an hour forward and back under load (libfaketime; the steady clock is left alone). */
import assert from "node:assert/strict";
import { Agent } from "../agent.ts";
import { type AnsweredCall, callOnce, startLoad } from "../constant_load.ts";
import { judgeEffects } from "../effect_ledger.ts";
import { startEffectServer } from "../effect_server.ts";
import { createDatabaseTests } from "../integration/databases.ts";
import { eventually, start } from "../integration/gateways.ts";

const { test } = createDatabaseTests();

const HOUR_SECONDS = 3_600;

test("clock steps: tokens follow the wall clock, and leases, feeds and deadlines do not", async (fixture) => {
  const upstream = startEffectServer();
  const scratch = await Deno.makeTempDir();
  const stepFile = `${scratch}/step`;
  /** Written beside and renamed: a half-written file would be another time. */
  const step = async (seconds: number): Promise<void> => {
    await Deno.writeTextFile(`${stepFile}.new`, `${seconds < 0 ? "" : "+"}${seconds}`);
    await Deno.rename(`${stepFile}.new`, stepFile);
  };
  await step(0);
  const gateway = await start(fixture, {
    dataDir: fixture.dataDir,
    config: { upstreams: { effects: { url: upstream.url } } },
    env: {
      ...{ LD_PRELOAD: await findFakeTime(), FAKETIME_TIMESTAMP_FILE: stepFile },
      ...{ FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" },
    },
  });
  const mint = async (ttl_seconds: number): Promise<Agent> => {
    const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds });
    return await Agent.connect(gateway.url, "effects", token);
  };
  const short = await mint(600);
  const asked: AnsweredCall[] = [];
  const ask = async (agent: Agent): Promise<string> => {
    const answer = await callOnce(agent, -1 - asked.length);
    asked.push(answer);
    return answer.result;
  };
  const load = startLoad(await mint(48 * HOUR_SECONDS), 50);
  const moreEffects = async (when: string): Promise<void> => {
    const before = upstream.effects.length;
    await eventually(() => upstream.effects.length >= before + 40, `effects ${when}`, 20_000);
  };
  await moreEffects("before any step");
  assert.equal(await ask(short), "ok");

  await step(HOUR_SECONDS);
  assert.equal(await ask(short), "expired_token");
  await moreEffects("an hour ahead");
  const ahead = await mint(600);
  assert.equal(await ask(ahead), "ok");

  await step(0);
  assert.equal(await ask(ahead), "not_yet_valid");
  assert.equal(await ask(short), "ok");

  await step(-HOUR_SECONDS);
  assert.equal(await ask(short), "not_yet_valid");
  await new Promise((resolve) => setTimeout(resolve, 6_000)); // longer than the feed may be old
  assert.equal((await (await fetch(`${gateway.url}/readyz`)).json()).parts.revocations.ready, true);

  await step(0);
  await moreEffects("after the last step");
  const report = await load.stop();
  assert.equal(await gateway.stop(), 0);
  await upstream.close();
  const db = await fixture.open();
  assert.equal((await db.sql`SELECT 1 FROM open_decisions`).length, 0);
  assert.equal(report.unanswered.length, 0, "a call hung");
  const faults = report.answered.filter(({ result }) => !["ok", "not_yet_valid"].includes(result));
  assert.deepEqual(faults.slice(0, 3), [], "a step was no reason to refuse");
  const all = { ...report, answered: [...report.answered, ...asked] };
  const summary = await judgeEffects(db, "default", upstream.effects, all);
  console.log(JSON.stringify(summary));
});

async function findFakeTime(): Promise<string> {
  const candidates = [
    Deno.env.get("INTENTGATE_TEST_FAKETIME") ?? "",
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
  ];
  for (const path of candidates) {
    if (path !== "" && await Deno.stat(path).then(() => true, () => false)) return path;
  }
  throw new Error(
    'Expected libfaketimeMT.so.1: install Debian\'s package "libfaketime", or name the file in INTENTGATE_TEST_FAKETIME',
  );
}
