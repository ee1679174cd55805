/** SIGTERM while calls keep coming: what was begun is ended, answered and recorded; nothing is left to the sweeper. */
import assert from "node:assert/strict";
import { Agent } from "../agent.ts";
import { startLoad } from "../constant_load.ts";
import { judgeEffects } from "../effect_ledger.ts";
import { startEffectServer } from "../effect_server.ts";
import { createDatabaseTests } from "./databases.ts";
import { eventually, start } from "./gateways.ts";

const { test } = createDatabaseTests();

test("SIGTERM under load loses nothing", async (fixture) => {
  const upstream = startEffectServer();
  const config = { upstreams: { effects: { url: upstream.url } } };
  const gateway = await start(fixture, { config, dataDir: fixture.dataDir });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const load = startLoad(await Agent.connect(gateway.url, "effects", token), 100);
  await eventually(() => upstream.effects.length >= 50, "some effects", 15_000);
  assert.equal(await gateway.stop(), 0);
  const report = await load.stop();
  await upstream.close();
  const db = await fixture.open();
  const { allows, outcomes, unansweredEffects } = await judgeEffects(db, "default", upstream.effects, report);
  assert.equal(unansweredEffects, 0, "an agent whose call was forwarded got no answer");
  assert.ok(allows >= 50);
  for (const kind of Object.keys(outcomes)) assert.ok(["ok", "not_forwarded"].includes(kind), kind);
  assert.equal((await db.sql`SELECT 1 FROM open_decisions`).length, 0);
  assert.equal((await db.sql`SELECT 1 FROM replicas`).length, 0, "the replica's lease was given back");
});
