/** An outage of the database outlasts every lease: a replica that lives through it is taken for dead by nobody. */
import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import { createDatabaseTests } from "../integration/databases.ts";
import { events, eventually, noLateRecords, start, verdict } from "../integration/gateways.ts";

const { testPostgres } = createDatabaseTests();

/** Longer than a lease. */
const OUTAGE_MS = 17_000;

testPostgres(
  "calls that are in flight through an outage longer than a lease get their own outcomes, not unknown",
  async (fixture, cluster) => {
    const upstream = startEffectServer();
    const config = { upstreams: { effects: { url: upstream.url } }, revocation_max_age_ms: 600_000 };
    await using gateway = await start(fixture, { config, dataDir: `${fixture.dataDir}/one` });
    const keys = await Deno.readTextFile(`${gateway.dataDir}/keys.json`);
    const checkpointKeys = await Deno.readTextFile(`${gateway.dataDir}/checkpoint_keys.pem`);
    const env = { INTENTGATE_KEYS: keys, INTENTGATE_CHECKPOINT_KEYS: checkpointKeys };
    const options = { config, dataDir: `${fixture.dataDir}/two`, env };
    await using other = await start(fixture, options);
    const { token } = await gateway.mint({
      tenant: "default",
      agent: "a",
      ttl_seconds: 600,
      tools: ["count"],
    });
    const agent = await Agent.connect(gateway.url, "effects", token);
    upstream.hold();
    const during = agent.call("count", { n: 1 });
    await eventually(() => upstream.effects.length === 1, "a call in flight");
    await cluster.kill();
    await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
    Deno.kill(gateway.pid, "SIGSTOP"); // so that it is the other one that meets the database first
    await cluster.start();
    await eventually(
      async () => (await fetch(`${other.url}/readyz`)).status === 200,
      "the other replica",
      30_000,
    );
    await new Promise((resolve) => setTimeout(resolve, 6_000)); // it has swept meanwhile
    Deno.kill(gateway.pid, "SIGCONT");
    upstream.release();
    assert.equal(resultOf(await during), "ok");
    const outcomes = async () =>
      (await events(other, "default")).filter(({ metadata }) => metadata.event_code === "call.ended");
    await eventually(async () => (await outcomes()).length > 0, "the outcome", 10_000);
    assert.deepEqual((await outcomes()).map(({ unmapped }) => unmapped.outcome), ["ok"]);
    await noLateRecords(gateway);
    assert.equal(await verdict(other, "default"), "verified");
    await upstream.close();
  },
);
