/** What is decided while PostgreSQL is away stands in the chain once when it is back, whatever happened in between. */
import assert from "node:assert/strict";
import { Agent, type Answer, resultOf } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import { GatewayExited, type GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests, type DatabaseFixture } from "./databases.ts";
import { events, eventually, noLateRecords, start, verdict } from "./gateways.ts";
import type { PostgresCluster } from "./postgres_cluster.ts";

const { testPostgres } = createDatabaseTests();

interface World {
  readonly upstream: ReturnType<typeof startEffectServer>;
  readonly gateway: GatewayProcess;
  readonly agent: Agent;
  readonly folder: string;
  /** Starts the gateway again on the same data. */
  again(): Promise<GatewayProcess>;
}

async function setUp(fixture: DatabaseFixture, config = {}): Promise<World> {
  const upstream = startEffectServer();
  const options = {
    // A feed that may be old: calls are decided by their checks, as at the begin of any outage.
    config: { upstreams: { effects: { url: upstream.url } }, revocation_max_age_ms: 600_000, ...config },
    dataDir: fixture.dataDir,
  };
  const gateway = await start(fixture, options);
  const grant = { tenant: "default", agent: "a", ttl_seconds: 600, tools: ["count"] };
  const { token } = await gateway.mint(grant);
  const agent = await Agent.connect(gateway.url, "effects", token);
  assert.equal(resultOf(await agent.call("count", { n: 1 })), "ok");
  return {
    ...{ upstream, gateway, agent, folder: `${fixture.dataDir}/late_records` },
    again: () => start(fixture, options),
  };
}

/** What stands in a chain about each decision id: `block audit_unavailable`, `outcome ok` … */
async function recordedOf(gateway: GatewayProcess): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const event of await events(gateway, "default")) {
    const id = event.metadata.correlation_uid;
    if (id === undefined) continue;
    const late = event.unmapped.recorded_late === undefined ? "" : " late";
    const what = event.metadata.event_code === "call.ended"
      ? `outcome ${event.unmapped.outcome}`
      : [event.unmapped.decision, event.status_code].filter((word) => word !== undefined).join(" ");
    found.set(id, [...found.get(id) ?? [], what + late]);
  }
  return found;
}

function decisionId(answer: Answer): string {
  return answer.message.error?.data?.decision_id ?? assert.fail(`no decision id in ${answer.text}`);
}

/** Calls that the checks allow and calls that they refuse; all are told the same. */
async function callsOfAnOutage({ agent, upstream }: World): Promise<ReadonlyMap<string, string>> {
  const expected = new Map<string, string>();
  const before = upstream.effects.length;
  for (let n = 0; n < 12; n++) {
    const isAllowed = n % 3 === 0;
    const answer = await agent.call(isAllowed ? "count" : "hang", { n: 100 + n });
    assert.equal(resultOf(answer), "audit_unavailable");
    expected.set(decisionId(answer), isAllowed ? "block audit_unavailable late" : "block not_available late");
  }
  assert.equal(upstream.effects.length, before, "a call was forwarded without a record");
  return expected;
}

/** The database is killed while a call is under way, which then ends well; gives what was decided during the outage. */
async function outageDuringACall(
  world: World,
  cluster: PostgresCluster,
): Promise<ReadonlyMap<string, string>> {
  const { agent, upstream } = world;
  upstream.hold();
  const inFlight = agent.call("count", { n: 2 });
  await eventually(() => upstream.effects.includes(2), "a call in flight");
  await cluster.kill();
  const expected = await callsOfAnOutage(world);
  upstream.release();
  assert.equal(resultOf(await inFlight), "ok");
  await new Promise((resolve) => setTimeout(resolve, 500));
  return expected;
}

const filesIn = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();

async function assertRecordedOnce(
  gateway: GatewayProcess,
  expected: ReadonlyMap<string, string>,
): Promise<void> {
  await noLateRecords(gateway);
  const recorded = await recordedOf(gateway);
  for (const [id, what] of expected) assert.deepEqual(recorded.get(id), [what], id);
  assert.equal(await verdict(gateway, "default"), "verified");
}

testPostgres(
  "while the database is away calls are blocked and kept, and when it is back each stands in the chain once",
  async (fixture, cluster) => {
    const world = await setUp(fixture);
    const { upstream, gateway, agent, folder } = world;
    upstream.hold();
    const inFlight = agent.call("count", { n: 2 });
    await eventually(() => upstream.effects.includes(2), "a call in flight");
    await cluster.kill();
    const expected = await callsOfAnOutage(world);
    upstream.release();
    assert.equal(resultOf(await inFlight), "ok", "its allow was recorded before");
    for (let n = 0; n < 5; n++) {
      assert.equal((await new Agent(agent.url, "nonsense").call("count")).status, 401);
    }
    await eventually(() => filesIn(folder).length > 0, "a file");
    const [name = ""] = filesIn(folder);
    assert.equal(((await Deno.stat(`${folder}/${name}`)).mode ?? 0) & 0o777, 0o600);
    await new Promise((resolve) => setTimeout(resolve, 1_500)); // refused attempts are gathered for a second

    await cluster.start();
    await assertRecordedOnce(gateway, expected);
    const kinds = [...(await recordedOf(gateway)).values()].map((all) => all.join(", "));
    assert.equal(kinds.filter((all) => all === "allow, outcome ok late").length, 1, kinds.join("; "));
    assert.deepEqual(filesIn(folder), []);
    const attempts = (await events(gateway, "~unverified")).filter(({ status_code }) =>
      status_code === "invalid_token"
    );
    assert.equal(attempts.reduce((sum, { count }) => sum + count, 0), 5);
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    const recorded = Number(/^intentgate_late_records_total\{result="recorded"\} (\d+)$/m.exec(metrics)?.[1]);
    assert.ok(recorded >= 14, `${recorded}`);
    for (const result of ["known", "lost"] as const) {
      assert.match(metrics, new RegExp(`^intentgate_late_records_total\\{result="${result}"\\} \\d+$`, "m"));
    }
    assert.match(gateway.stderr, /"Records are kept in the data folder until the database takes them"/);
    assert.match(gateway.stderr, /"Late records were recorded".*"recorded":\d+,"known":\d+/);
    assert.equal(resultOf(await agent.call("count", { n: 3 })), "ok");
    await gateway.stop();
    await upstream.close();
  },
);

testPostgres(
  "kill -9 during the outage: the next start records every decision once, and the outcome that was known",
  async (fixture, cluster) => {
    const world = await setUp(fixture);
    const { upstream, gateway } = world;
    const expected = await outageDuringACall(world, cluster);
    await gateway.kill();
    const refused = await world.again().then(() => assert.fail("started"), (error) => error);
    assert.ok(refused instanceof GatewayExited, "no start without a database");
    await cluster.start();
    const next = await world.again();
    await assertRecordedOnce(next, expected);
    const kinds = [...(await recordedOf(next)).values()].map((all) => all.join(", "));
    assert.equal(kinds.filter((all) => all === "allow, outcome ok late").length, 1, kinds.join("; "));
    assert.equal(kinds.filter((all) => all.includes("unknown")).length, 0, kinds.join("; "));
    assert.deepEqual(filesIn(world.folder), []);
    await next.stop();
    await upstream.close();
  },
);

testPostgres(
  "kill -9 during the outage: another gateway on the same data folder records what the first one left, and no start is needed",
  async (fixture, cluster) => {
    const world = await setUp(fixture);
    const { upstream, gateway, folder } = world;
    const other = await world.again(); // beside it: PostgreSQL lets several share a folder
    const expected = await outageDuringACall(world, cluster);
    const left = filesIn(folder).filter((name) => name.endsWith(".late"));
    assert.ok(left.length > 0, "the first one keeps what it decides");
    await gateway.kill();
    assert.deepEqual(filesIn(folder), left);
    await cluster.start();
    await eventually(() => filesIn(folder).length === 0, "taking over the files", 90_000);
    await assertRecordedOnce(other, expected);
    const kinds = [...(await recordedOf(other)).values()].map((all) => all.join(", "));
    assert.equal(kinds.filter((all) => all === "allow, outcome ok late").length, 1, kinds.join("; "));
    assert.equal(kinds.filter((all) => all.includes("unknown")).length, 0, kinds.join("; "));
    const told = `"Late records of processes that ended were taken over".*"files":${left.length}`;
    assert.match(other.stderr, new RegExp(told));
    await other.stop();
    await upstream.close();
  },
);

testPostgres(
  "beyond the bound of the data folder the chain says how many decisions are missing, and from when to when",
  async (fixture, cluster) => {
    const world = await setUp(fixture, { late_records_max_bytes: 1024 * 1024 });
    const { upstream, gateway, agent } = world;
    await cluster.kill();
    const startedAt = Date.now();
    await agent.call("count", { n: 2 }); // from now on nobody asks the database any more
    const ids: string[] = [];
    for (let round = 0; round < 70; round++) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => agent.call("hang")));
      for (const answer of answers) {
        if (resultOf(answer) === "audit_unavailable") ids.push(decisionId(answer));
      }
    }
    const endedAt = Date.now();
    await cluster.start();
    await noLateRecords(gateway);
    const gapsOf = async () =>
      (await events(gateway, "default")).filter(({ metadata }) => metadata.event_code === "audit.gap");
    await eventually(async () => (await gapsOf()).length > 0, "the gap event");
    const [gap, ...more] = await gapsOf();
    assert.deepEqual(more, []);
    const recorded = await recordedOf(gateway);
    const missing = ids.filter((id) => !recorded.has(id)).length;
    assert.ok(missing > 100, `${missing} of ${ids.length} are missing`);
    assert.deepEqual([gap.count, gap.status_code, gap.unmapped.gap.what], [missing, "bound", "decisions"]);
    assert.ok(startedAt <= gap.start_time && gap.start_time < gap.end_time && gap.end_time <= endedAt);
    assert.equal(await verdict(gateway, "default"), "verified");
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    assert.match(metrics, new RegExp(`^intentgate_late_records_total\\{result="lost"\\} ${missing}$`, "m"));
    assert.match(metrics, /^intentgate_audit_gaps_total 1$/m);
    assert.match(gateway.stderr, /"Records are lost: an event will say how many".*"chain":"default"/);
    assert.match(gateway.stderr, new RegExp(`"A gap was recorded".*"count":${missing}`));
    await gateway.stop();
    await upstream.close();
  },
);

testPostgres(
  "the counts of a gap survive kill -9 up to its last second",
  async (fixture, cluster) => {
    const world = await setUp(fixture, { late_records_max_bytes: 1024 * 1024 });
    await cluster.kill();
    await world.agent.call("count", { n: 2 });
    let refused = 0;
    for (let round = 0; round < 70; round++) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => world.agent.call("hang")));
      refused += answers.filter((answer) => resultOf(answer) === "audit_unavailable").length;
    }
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await world.gateway.kill();
    await cluster.start();
    const next = await world.again();
    const all = await events(next, "default");
    const late = all.filter(({ unmapped }) => unmapped.recorded_late !== undefined).length;
    const [gap] = all.filter(({ metadata }) => metadata.event_code === "audit.gap");
    assert.equal(gap?.count + late - 1, refused, `${late} recorded late, ${gap?.count} in the gap`);
    assert.deepEqual(filesIn(world.folder), []);
    await next.stop();
    await world.upstream.close();
  },
);

testPostgres(
  "a gateway that is stopped during an outage ends in time, and what it kept is recorded by the next",
  async (fixture, cluster) => {
    const world = await setUp(fixture, { drain_timeout_ms: 1_000 });
    world.upstream.hold();
    const inFlight = world.agent.call("count", { n: 2 });
    await eventually(() => world.upstream.effects.includes(2), "a call in flight");
    await cluster.kill();
    const expected = await callsOfAnOutage(world);
    world.upstream.release();
    assert.equal(resultOf(await inFlight), "ok");
    const startedMs = performance.now();
    assert.equal(await world.gateway.stop(), 0);
    assert.ok(performance.now() - startedMs < 12_000, "it waits for no database");
    await cluster.start();
    const next = await world.again();
    await assertRecordedOnce(next, expected);
    const kinds = [...(await recordedOf(next)).values()].map((all) => all.join(", "));
    assert.equal(kinds.filter((all) => all === "allow, outcome ok late").length, 1, kinds.join("; "));
    await next.stop();
    await world.upstream.close();
  },
);
