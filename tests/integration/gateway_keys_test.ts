/** Rotation of the key ring, with the commands that an operator would use. */
import assert from "node:assert/strict";
import { inspectToken } from "../../core/token/inspect.ts";
import { Agent, resultOf } from "../agent.ts";
import { intentgate } from "../command_line.ts";
import { startEffectServer } from "../effect_server.ts";
import { GatewayExited, type GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests, type DatabaseFixture } from "./databases.ts";
import { events, start } from "./gateways.ts";

const { test, testPostgres } = createDatabaseTests();

function kidOf(token: string): unknown {
  return inspectToken(token).blocks[0]?.content.kid;
}

function environment(fixture: DatabaseFixture, more: Record<string, string>): Record<string, string> {
  return { ...fixture.databaseEnv, ...more };
}

/** The same agent with its open session, at another replica or after a restart. */
function moved(agent: Agent, to: GatewayProcess): Agent {
  const there = new Agent(`${to.url}/mcp/effects`, agent.token);
  there.session = agent.session;
  return there;
}

async function connect(gateway: GatewayProcess): Promise<Agent> {
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  return await Agent.connect(gateway.url, "effects", token);
}

async function refusal(fixture: DatabaseFixture, keys: string): Promise<string> {
  const exited = await start(fixture, { env: { INTENTGATE_KEYS: keys } }).then(
    async (gateway) => {
      await gateway.stop();
      return "started";
    },
    (error) => error,
  );
  assert.ok(exited instanceof GatewayExited, String(exited));
  assert.equal(exited.code, 1);
  for (const key of Object.values<string>(JSON.parse(keys).keys)) {
    assert.equal(exited.message.includes(key.slice(0, 8)), false, "no key material");
  }
  return exited.stderr;
}

test("a key is added, activated and retired: its tokens and sessions end then and not before", async (fixture) => {
  const upstream = startEffectServer();
  const options = {
    config: { upstreams: { effects: { url: upstream.url } } },
    dataDir: `${fixture.dataDir}/gateway`,
  };
  const env = environment(fixture, { INTENTGATE_DATA_DIR: options.dataDir });
  const keys = (...args: string[]) => intentgate(["keys", ...args], env);
  const listed = async () => {
    const { keys: rows, database } = JSON.parse((await keys("list", "--json")).out);
    assert.equal(database, "reachable");
    return rows.map((
      row: Record<string, unknown>,
    ) => [row.kid, row.ring, row.database, row.unexpired_tokens]);
  };
  assert.match((await keys("list")).err, /Cannot read the key ring/);

  const first = await start(fixture, options);
  const old = await connect(first);
  assert.equal(kidOf(old.token ?? ""), "k1");
  if (fixture.kind === "embedded") {
    const ran = await keys("list");
    assert.equal(ran.code, 0);
    assert.match(ran.out, /^k1 +[0-9a-f]{32} +active +\? +\?$/m);
    assert.match(ran.err, /The database was not asked: .*another process holds its lock/);
  }
  await first.stop();
  assert.deepEqual(await listed(), [["k1", "active", "in use", 1]]);

  const added = await keys("add", "--kid", "k2", "--activate");
  assert.equal(added.code, 0, added.err);
  assert.match(added.out, /^Added key k2 \(fingerprint [0-9a-f]{32}\)/);
  const path = `${options.dataDir}/keys.json`;
  assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  assert.equal((await keys("add", "--kid", "k2")).code, 1);
  assert.deepEqual(await listed(), [["k1", "verifies", "in use", 1], ["k2", "active", "new", 0]]);
  assert.match((await keys("retire", "k2")).err, /its active key "k2" is retired/);

  const second = await start(fixture, options);
  const before = moved(old, second);
  assert.equal(resultOf(await before.call("count")), "ok", "the session survives, and its token verifies");
  const fresh = await connect(second);
  assert.equal(kidOf(fresh.token ?? ""), "k2");
  await second.stop();

  const refused = await keys("retire", "k1");
  assert.equal(refused.code, 1);
  assert.match(refused.err, /Key "k1" has 1 tokens that have not expired; --yes ends them/);
  assert.deepEqual(await listed(), [["k1", "verifies", "in use", 1], ["k2", "active", "in use", 1]]);
  const retired = await keys("retire", "k1", "--yes");
  assert.equal(retired.code, 0, retired.err);
  assert.deepEqual(await listed(), [["k1", "missing", "retired", 1], ["k2", "active", "in use", 1]]);
  assert.equal((await keys("retire", "k9")).code, 1);

  await using third = await start(fixture, options);
  const ended = await moved(old, third).call("count");
  assert.deepEqual([ended.status, resultOf(ended)], [401, "invalid_token"]);
  assert.equal(resultOf(await moved(fresh, third).call("count")), "ok");
  const stale = moved(old, third);
  assert.equal(
    (await new Agent(stale.url, fresh.token).send({ jsonrpc: "2.0", id: 1, method: "ping" }, {
      "mcp-session-id": old.session ?? "",
    })).status,
    404,
    "a session of the retired key is gone",
  );
  const installation = await events(third, "~installation");
  const [started, stopped] = ["gateway.started", "gateway.stopped"];
  assert.deepEqual(
    installation.map(({ metadata }) => metadata.event_code).filter((code) => code.startsWith("gateway.")),
    [started, stopped, started, stopped, started],
  );
  const recorded = installation.filter(({ entity }) => entity?.type === "master_key");
  assert.deepEqual(
    recorded.map((
      { metadata, entity, unmapped },
    ) => [metadata.event_code, entity.uid, unmapped.operator?.how]),
    [
      ["key.activated", "k1", undefined],
      ["key.activated", "k2", undefined],
      ["key.retired", "k1", "local"],
    ],
  );
  await upstream.close();
});

testPostgres("replicas rotate with overlap, and one with other keys refuses to start", async (fixture) => {
  const upstream = startEffectServer();
  const config = { upstreams: { effects: { url: upstream.url } } };
  const startWith = (keys: string) => start(fixture, { config, env: { INTENTGATE_KEYS: keys } });
  const file = `${fixture.dataDir}/ring.json`;
  const env = environment(fixture, { INTENTGATE_KEYS_FILE: file });
  const keys = (...args: string[]) => intentgate(["keys", ...args], env);
  const ring = () => Deno.readTextFile(file);
  const random = () => crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url" });
  const only = (kid: string, key = random().replace("=", "")) =>
    JSON.stringify({ active: kid, keys: { [kid]: key } });
  const oldRing = only("k1");
  await Deno.writeTextFile(file, oldRing);

  const one = await startWith(oldRing);
  const old = await connect(one);
  assert.match(
    await refusal(fixture, only("k1")),
    /its key "k1" has the fingerprint "\w{32}", .* use "\w{32}"/,
  );
  assert.match(await refusal(fixture, only("other")), /lacks the key "k1" with the fingerprint "\w{32}"/);

  // Distribute, then activate.
  assert.equal((await keys("add", "--kid", "k2")).code, 0);
  const two = await startWith(await ring());
  const late = await startWith(oldRing); // restarted before it got the new ring: nothing was made under k2 yet
  await late.stop();
  assert.equal((await keys("activate", "k2")).code, 0);
  await using three = await startWith(await ring());
  assert.match(await refusal(fixture, oldRing), /lacks the key "k2"/);
  const fresh = await connect(three);
  assert.equal(kidOf(fresh.token ?? ""), "k2");
  for (const replica of [two, three]) {
    assert.equal(resultOf(await moved(old, replica).call("count")), "ok");
    assert.equal(resultOf(await moved(fresh, replica).call("count")), "ok");
  }
  await one.stop();
  await two.stop();

  const both = await ring();
  assert.equal((await keys("retire", "k1", "--yes")).code, 0);
  await using lacking = await startWith(await ring());
  await using holding = await startWith(both);
  assert.match(holding.stderr, /holds a retired key.*"kid":"k1"/);
  for (const replica of [lacking, holding]) {
    assert.equal((await moved(old, replica).call("count")).status, 401);
    assert.equal(resultOf(await moved(fresh, replica).call("count")), "ok");
  }
  const behind = JSON.stringify({ ...JSON.parse(both), active: "k1" });
  assert.match(await refusal(fixture, behind), /its active key "k1" is retired/);
  await upstream.close();
});
