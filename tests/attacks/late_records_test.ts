/** A stranger, or an accident, between a file of late records and the process that reads it. */
import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import { GatewayExited, type GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests, type DatabaseFixture } from "../integration/databases.ts";
import { events, eventually, start, verdict } from "../integration/gateways.ts";
import type { PostgresCluster } from "../integration/postgres_cluster.ts";

const { testPostgres } = createDatabaseTests();

const RECORDS = 6;

interface Crashed {
  /** The file that waits. */
  readonly path: string;
  readonly folder: string;
  /** Decision ids in the order of the file. */
  readonly ids: readonly string[];
  /** Starts the next process; ends with the test. */
  next(): Promise<GatewayProcess>;
}

/** A gateway that was killed during an outage, after it kept six refusals; the database is back. */
async function crashed(fixture: DatabaseFixture, cluster: PostgresCluster): Promise<Crashed> {
  const upstream = startEffectServer();
  const options = {
    config: { upstreams: { effects: { url: upstream.url } }, revocation_max_age_ms: 600_000 },
    dataDir: fixture.dataDir,
  };
  const gateway = await start(fixture, options);
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600, tools: ["count"] });
  const agent = await Agent.connect(gateway.url, "effects", token);
  await agent.call("count", { n: 1 });
  await eventually(
    async () =>
      (await events(gateway, "default")).some(({ metadata }) => metadata.event_code === "call.ended"),
    "the outcome of the first call",
  );
  await cluster.kill();
  await agent.call("hang");
  await new Promise((resolve) => setTimeout(resolve, 1_500)); // the first file is tried, and nothing more gets into it
  const ids: string[] = [];
  for (let n = 0; n < RECORDS; n++) {
    const answer = await agent.call("hang");
    assert.equal(resultOf(answer), "audit_unavailable");
    ids.push(answer.message.error.data.decision_id);
  }
  await gateway.kill();
  await upstream.close();
  await cluster.start();
  const folder = `${fixture.dataDir}/late_records`;
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
  assert.deepEqual(names.map((name) => name.replace(/^[0-9a-f]{32}/, "")), ["-1.late", "-2.late"]);
  return { folder, path: `${folder}/${names[1]}`, ids, next: () => start(fixture, options) };
}

/** How many of the decisions are recorded, and the gaps of the installation. */
async function recorded(gateway: GatewayProcess, ids: readonly string[]) {
  const all = await events(gateway, "default");
  const gaps = (await events(gateway, "~installation")).filter(({ metadata }) =>
    metadata.event_code === "audit.gap"
  );
  return {
    ids: ids.map((id) => all.filter(({ metadata }) => metadata.correlation_uid === id).length),
    gaps: gaps.map((gap) => [gap.count, gap.status_code]),
    all,
  };
}

testPostgres(
  "who edits a file of late records adds nothing to the chain, and the loss is in the record",
  async (fixture, cluster) => {
    const { path, folder, ids, next } = await crashed(fixture, cluster);
    const lines = (await Deno.readTextFile(path)).split("\n");
    // One decision becomes another agent's, and one more is made up after the same pattern.
    const at = lines.findIndex((line) => line.includes(ids[2]!));
    lines[at] = lines[at]!.replace('\\"app_uid\\":\\"a\\"', '\\"app_uid\\":\\"z\\"');
    const forged = lines[at + 1]!.replaceAll(ids[3]!, "01900000-0000-7000-8000-000000000000");
    await Deno.writeTextFile(path, [...lines.slice(0, -1), forged, ""].join("\n"));
    await using gateway = await next();
    await eventually(async () => (await recorded(gateway, ids)).gaps.length > 0, "the gap event");
    const found = await recorded(gateway, ids);
    assert.deepEqual(found.ids, [1, 1, 0, 0, 0, 0]);
    assert.deepEqual(
      found.gaps,
      [[5, "damaged"]],
      "the changed line and all that follow, the made-up one too",
    );
    assert.equal(found.all.some((event) => event.actor?.app_uid === "z"), false);
    assert.equal(JSON.stringify(found.all).includes("01900000-"), false);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`), [
      `${path}.set_aside`,
    ]);
    assert.match(gateway.stderr, /"Records are lost: an event will say how many".*"reason":"damaged"/);
    assert.equal(await verdict(gateway, "default"), "verified");
  },
);

testPostgres(
  "a last line that a crash cut off is passed over, and everything before it is recorded",
  async (fixture, cluster) => {
    const { path, folder, ids, next } = await crashed(fixture, cluster);
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.slice(0, -40));
    await using gateway = await next();
    const found = await recorded(gateway, ids);
    assert.deepEqual([found.ids, found.gaps], [[1, 1, 1, 1, 1, 0], []]);
    assert.match(gateway.stderr, /"A late record was cut off by a crash"/);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  },
);

testPostgres(
  "files that others may write, links and files of another installation stop the start",
  async (fixture, cluster) => {
    const { path, folder, ids, next } = await crashed(fixture, cluster);
    const text = await Deno.readTextFile(path);
    const refused = async (message: RegExp) => {
      const error = await next().then(() => assert.fail("started"), (thrown) => thrown);
      assert.ok(error instanceof GatewayExited, String(error));
      assert.match(error.stderr, message);
      assert.doesNotMatch(error.stderr, /at async|at file:/);
    };
    await Deno.chmod(path, 0o622);
    await refused(/late_records\/.*expected mode 600, found 622/);
    await Deno.chmod(path, 0o600);
    await Deno.rename(path, `${folder}/moved`);
    await Deno.symlink(`${folder}/moved`, path);
    await refused(/late_records\/.*expected a file, found something else/);
    await Deno.remove(path);
    await Deno.rename(`${folder}/moved`, path);
    await Deno.writeTextFile(path, text.replace(/"log_id":"[^"]*"/, '"log_id":"another"'));
    await refused(/it belongs to another database/);
    await Deno.writeTextFile(path, text.replace('"kid":"k1"', '"kid":"k7"'));
    await refused(/written under the key "k7", which the key ring does not have/);
    // A file under another name is none of that name: it cannot be replayed as another one's.
    await Deno.writeTextFile(path, text);
    await Deno.writeTextFile(path.replace(/-\d+\.late$/, "-77.late"), text, { mode: 0o600 });
    await using gateway = await next();
    await eventually(async () => (await recorded(gateway, ids)).gaps.length > 0, "the gap event");
    const found = await recorded(gateway, ids);
    assert.deepEqual([found.ids, found.gaps], [[1, 1, 1, 1, 1, 1], [[RECORDS + 1, "damaged"]]]);
  },
);
