import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import { GatewayExited, startGateway } from "../gateway_process.ts";
import { createDatabaseTests } from "./databases.ts";
import { events, eventually, start, verdict } from "./gateways.ts";

const { test, testPostgres } = createDatabaseTests();

test("kill -9 under load: no effect without a record, and exactly one outcome for every allow", async (fixture) => {
  const upstream = startEffectServer();
  const options = { config: { upstreams: { effects: { url: upstream.url } } }, dataDir: fixture.dataDir };
  for (let round = 0; round < 3; round++) {
    const gateway = await start(fixture, options);
    const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
    const agent = await Agent.connect(gateway.url, "effects", token);
    await agent.call("count", { n: 0 });
    let stop = false;
    const loops = Array.from({ length: 12 }, async (_, loop) => {
      for (let n = 1; !stop; n++) {
        const alive = await agent.call("count", { n: round * 1_000_000 + loop * 10_000 + n })
          .then(() => true, () => false);
        if (!alive) return;
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 150 + 130 * round));
    await gateway.kill();
    stop = true;
    await Promise.all(loops);
  }
  await using gateway = await start(fixture, options);
  const outcomesBy = async () => {
    const all = await events(gateway, "default");
    const allows = all.filter((event) => event.unmapped.decision === "allow");
    const outcomes = new Map<string, string[]>();
    for (const event of all.filter((one) => one.metadata.event_code === "call.ended")) {
      const id = event.metadata.correlation_uid;
      outcomes.set(id, [...outcomes.get(id) ?? [], event.unmapped.outcome]);
    }
    return { allows, outcomes };
  };
  await eventually(
    async () => {
      const { allows, outcomes } = await outcomesBy();
      return allows.every((event) => outcomes.has(event.metadata.correlation_uid));
    },
    "an outcome for every allow",
    40_000,
  );
  const { allows, outcomes } = await outcomesBy();
  assert.ok(allows.length > 30, `${allows.length} allows are too few to mean anything`);
  assert.ok(upstream.effects.length <= allows.length, "an effect without a record");
  assert.equal(outcomes.size, allows.length);
  for (const [id, kinds] of outcomes) assert.equal(kinds.length, 1, `${id} has ${kinds.join(", ")}`);
  const unknown = [...outcomes.values()].flat().filter((kind) => kind === "unknown").length;
  console.log(`${allows.length} allows, ${upstream.effects.length} effects, ${unknown} unknown`);
  assert.equal(await verdict(gateway, "default"), "verified");
  await upstream.close();
});

testPostgres(
  "the database goes away before and during calls: blocked, said clearly, and it recovers by itself",
  async (fixture, cluster) => {
    const upstream = startEffectServer();
    await using gateway = await start(fixture, {
      config: { upstreams: { effects: { url: upstream.url } }, revocation_max_age_ms: 1_500 },
    });
    const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
    const agent = await Agent.connect(gateway.url, "effects", token);
    assert.equal(resultOf(await agent.call("count")), "ok");
    await cluster.kill();
    const effects = upstream.effects.length;
    const startedMs = performance.now();
    const during = await agent.call("count");
    assert.equal(during.message.error.code, -31016);
    assert.ok(["audit_unavailable", "revocations_stale"].includes(resultOf(during)), resultOf(during));
    assert.ok(performance.now() - startedMs < 6_000);
    await new Promise((resolve) => setTimeout(resolve, 1_600));
    await agent.call("count"); // its block cannot be recorded either, so the log has to tell
    assert.match(gateway.stderr, /"where":"capability".*revocation feed has not been read recently/);
    assert.equal(upstream.effects.length, effects, "a call was forwarded without a record");
    const readiness = await fetch(`${gateway.url}/readyz`);
    const { parts } = await readiness.json();
    assert.deepEqual([readiness.status, parts.database.ready, parts.revocations.ready], [503, false, false]);
    assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200);
    const refused = await gateway.api("POST", "/api/v1/tokens", {
      ...{ tenant: "default", agent: "a", ttl_seconds: 60 },
    });
    assert.equal(refused.status, 503);
    await cluster.start();
    await eventually(async () => resultOf(await agent.call("count")) === "ok", "the recovery", 20_000);
    assert.equal(await verdict(gateway, "default"), "verified");
    await upstream.close();
  },
);

Deno.test("a second gateway on the same data folder says whose it is and leaves it alone", async () => {
  await using gateway = await startGateway();
  const second = await startGateway({ dataDir: gateway.dataDir }).then(
    () => assert.fail("started"),
    (e) => e,
  );
  assert.ok(second instanceof GatewayExited, String(second));
  assert.equal(second.code, 1);
  assert.match(second.stderr, /lock|in use|another process/i);
  assert.equal((await fetch(`${gateway.url}/readyz`)).status, 200);
});

Deno.test("a wrong DATABASE_URL and an unknown configuration member end the start with one clear message", async () => {
  const cases: [Parameters<typeof startGateway>[0], number, RegExp][] = [
    [{ databaseUrl: "postgres://u:hunter2@127.0.0.1:1/x" }, 1, /postgres:\/\/u.*127\.0\.0\.1:1/],
    [{ databaseUrl: "mysql://u:hunter2@127.0.0.1/x" }, 2, /mysql/],
    [{ config: { upstream: {} } }, 2, /"upstream" is not known; did you mean upstreams\?/],
    [{ env: { INTENTGATE_LISTN: "x" } }, 2, /did you mean INTENTGATE_LISTEN\?/],
    [{ config: { pipeline: [{ check: "policy" }] } }, 2, /does not establish the principal/],
    [{ env: { INTENTGATE_OPERATOR_TOKEN: "short" } }, 1, /16 to 512 printable/],
  ];
  for (const [options, code, message] of cases) {
    const error = await startGateway(options).then(() => assert.fail("started"), (thrown) => thrown);
    assert.ok(error instanceof GatewayExited, String(error));
    assert.equal(error.code, code, error.stderr);
    assert.match(error.stderr, message);
    assert.doesNotMatch(error.stderr, /hunter2|at async|at file:/);
  }
});

Deno.test("SIGTERM lets calls in flight end and leaves nothing open", async () => {
  const upstream = startEffectServer();
  const dataDir = await Deno.makeTempDir();
  const config = { upstreams: { effects: { url: upstream.url, timeout_ms: 1_500 } } };
  const gateway = await startGateway({ config, dataDir });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "effects", token);
  const hanging = agent.call("hang");
  await eventually(() => upstream.effects.length === 1, "the effect");
  assert.equal(await gateway.stop(), 0);
  assert.equal(resultOf(await hanging), "outcome_unknown");
  await using again = await startGateway({ config, dataDir });
  const ended = (await events(again, "default"))
    .filter((event) => event.metadata.event_code === "call.ended");
  assert.deepEqual(ended.map((event) => event.status_code), ["timeout"]);
  await upstream.close();
});

Deno.test("the operator token and the key ring are files that only their owner may read, and others are refused", async () => {
  const gateway = await startGateway();
  const { dataDir } = gateway;
  for (const name of ["operator_token", "keys.json"]) {
    const { mode } = await Deno.stat(`${dataDir}/${name}`);
    assert.equal((mode ?? 0) & 0o777, 0o600, name);
  }
  const key = JSON.parse(await Deno.readTextFile(`${dataDir}/keys.json`)).keys.k1;
  assert.equal((gateway.stdout + gateway.stderr).includes(key), false);
  await gateway.stop();
  const copy = await Deno.makeTempDir();
  await Deno.writeTextFile(`${copy}/keys.json`, "{}", { mode: 0o644 });
  const error = await startGateway({ dataDir: copy }).then(() => assert.fail("started"), (thrown) => thrown);
  assert.match(error.stderr, /expected file mode 600, found 644/);
});
