import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import { createDatabaseTests } from "./databases.ts";
import { events, eventually, start, verdict } from "./gateways.ts";

const { testPostgres } = createDatabaseTests();

testPostgres(
  "replicas that start at once share migrations, keys, sessions, limits and revocations",
  async (fixture) => {
    const upstream = startEffectServer();
    const keys = JSON.stringify({
      active: "k1",
      keys: { k1: btoa("0123456789abcdefghijklmnopqrstuv").replace(/=+$/, "") },
    });
    const options = {
      config: { upstreams: { effects: { url: upstream.url } } },
      env: { INTENTGATE_KEYS: keys },
    };
    const [one, two] = await Promise.all([start(fixture, options), start(fixture, options)]);
    if (one === undefined || two === undefined) assert.fail();
    await using _first = one;
    await using _second = two;
    const minted = await one.mint({ tenant: "default", agent: "a", ttl_seconds: 600, max_calls: 30 });
    const onOne = await Agent.connect(one.url, "effects", minted.token);
    const onTwo = new Agent(`${two.url}/mcp/effects`, minted.token);
    onTwo.session = onOne.session; // any replica serves it
    const answers = await Promise.all(
      Array.from({ length: 80 }, (_, n) => (n % 2 === 0 ? onOne : onTwo).call("count", { n })),
    );
    assert.equal(answers.filter((answer) => resultOf(answer) === "ok").length, 30);
    assert.equal(upstream.effects.length, 30);

    const other = await one.mint({ tenant: "default", agent: "b", ttl_seconds: 600 });
    const agent = await Agent.connect(two.url, "effects", other.token);
    assert.equal(resultOf(await agent.call("count")), "ok");
    const revokedAt = performance.now();
    await one.api("POST", "/api/v1/revocations", { tenant: "default", jti: other.jti, reason: "test" });
    await eventually(async () => (await agent.call("count")).status === 401, "the revocation", 1_000);
    console.log(`effective on the other replica after ${(performance.now() - revokedAt).toFixed(0)} ms`);
    assert.equal(await verdict(two, "default"), "verified");
    await upstream.close();
  },
);

testPostgres(
  "a replica's open calls get the outcome unknown from another once its lease has ended",
  async (fixture) => {
    const upstream = startEffectServer();
    const options = { config: { upstreams: { effects: { url: upstream.url } } } };
    const dead = await start(fixture, options);
    const keys = await Deno.readTextFile(`${dead.dataDir}/keys.json`);
    await using survivor = await start(fixture, { ...options, env: { INTENTGATE_KEYS: keys } });
    const { token } = await dead.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
    const agent = await Agent.connect(dead.url, "effects", token);
    const hanging = agent.call("hang").catch(() => "cut off");
    await eventually(() => upstream.effects.length === 1, "the effect");
    await dead.kill();
    assert.equal(await hanging, "cut off");
    const outcomes = async () =>
      (await events(survivor, "default")).filter((event) => event.metadata.event_code === "call.ended");
    await eventually(async () => (await outcomes()).length === 1, "the sweeper's outcome", 40_000);
    const [outcome] = await outcomes();
    assert.deepEqual([outcome.unmapped.outcome, outcome.status_code], ["unknown", "replica_ended"]);
    assert.equal(await verdict(survivor, "default"), "verified");
    await upstream.close();
  },
);
