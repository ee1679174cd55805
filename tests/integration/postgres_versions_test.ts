/** What the gateway asks of PostgreSQL, on the oldest version that is promised and on the newest. */
import assert from "node:assert/strict";
import { SEGMENT_EVENTS } from "../../audit/search/segment.ts";
import { eventMessages } from "../../commands/event_messages.ts";
import { MIGRATIONS } from "../../migrations/migrations.ts";
import { Agent, resultOf } from "../agent.ts";
import { intentgate } from "../command_line.ts";
import { playRetention, PRUNED_TENANT } from "../conformance/retention_scene.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import { makeManyEvents, RARE_AGENT } from "../many_events.ts";
import { createDatabaseTests, type DatabaseFixture } from "./databases.ts";
import { eventually, start, verdict } from "./gateways.ts";
import { POSTGRES_VERSIONS } from "./postgres_programs.ts";

for (const version of POSTGRES_VERSIONS) {
  createDatabaseTests(version).testPostgres(
    `PostgreSQL ${version} is migrated, serves calls, and keeps a record that can be checked`,
    async (fixture) => {
      await migratesOnce(fixture, version);
      await makeManyEvents((await fixture.owner()).sql, "default", SEGMENT_EVENTS);
      await using gateway = await start(fixture);
      assert.equal((await (await fetch(`${gateway.url}/readyz`)).json()).hardening, "separated");
      await decidesAndStreams(gateway);
      await hearsOfRevocations(gateway, fixture);
      await provesTheRecord(gateway, fixture.dataDir);
      await findsByIndex(gateway);
      await playRetention(gateway, fixture);
      assert.equal(await verdict(gateway, PRUNED_TENANT), "verified");
    },
  );
}

async function migratesOnce(fixture: DatabaseFixture, version: string): Promise<void> {
  const { sql } = await fixture.owner();
  const [server] = await sql`SHOW server_version`;
  assert.equal(String(server?.server_version).split(".")[0], version);
  // Whoever changes an object of the schema, or its rights, leaves a new row in one of these.
  const schema = async () => [
    ...await sql`
      SELECT relname AS name, xmin::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
      UNION ALL SELECT proname, xmin::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
      UNION ALL SELECT polname, xmin::text FROM pg_policy
      UNION ALL SELECT tgname, xmin::text FROM pg_trigger ORDER BY 1, 2`,
  ];
  const env = { ...fixture.databaseEnv, INTENTGATE_DATA_DIR: fixture.dataDir };
  const migrated = async () => JSON.parse(okay(await intentgate(["migrate", "--json"], env))).applied;
  assert.deepEqual(await migrated(), MIGRATIONS.map(({ name }) => name));
  const before = await schema();
  assert.ok(before.length > 100, `${before.length} objects`);
  assert.deepEqual(await migrated(), []);
  assert.deepEqual(await schema(), before);
}

async function decidesAndStreams(gateway: GatewayProcess): Promise<void> {
  const { token } = await gateway.mint({ tenant: "acme", agent: "a", ttl_seconds: 600, tools: ["read_*"] });
  const stream = await gateway.api("GET", "/api/v1/audit/stream?tenant=acme&after=0&event_code=call.decided");
  const agent = await Agent.connect(gateway.url, "acme", token);
  assert.equal(resultOf(await agent.call("read_invoice", { invoice_id: "INV-1001" })), "ok");
  assert.equal(resultOf(await agent.call("pay_invoice", { invoice_id: "INV-1001" })), "not_available");
  const decisions: string[] = [];
  for await (const { data } of eventMessages(stream.body ?? assert.fail())) {
    if (data !== "") decisions.push(JSON.parse(data).unmapped.decision);
    if (decisions.length === 2) break;
  }
  assert.deepEqual(decisions, ["allow", "block"]);
}

async function hearsOfRevocations(gateway: GatewayProcess, fixture: DatabaseFixture): Promise<void> {
  const heard: string[] = [];
  const other = await fixture.open();
  await other.listen("intentgate_revocations", (payload) => heard.push(payload), () => {});
  const { token, jti } = await gateway.mint({ tenant: "acme", agent: "a", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "acme", token);
  const revoked = await gateway.api("POST", "/api/v1/revocations", { tenant: "acme", jti, reason: "test" });
  assert.equal(revoked.status, 201, await revoked.text());
  await eventually(() => heard.length === 1, "the notification");
  await eventually(async () => (await agent.call("list_invoices")).status === 401, "the revocation");
}

async function provesTheRecord(gateway: GatewayProcess, folder: string): Promise<void> {
  const env = {
    INTENTGATE_URL: gateway.adminUrl,
    INTENTGATE_OPERATOR_TOKEN: await gateway.operatorToken(),
  };
  const audit = async (...args: readonly string[]) => okay(await intentgate(["audit", ...args], env));
  const key = (await audit("key", "--tenant", "acme")).trim();
  const [held, archive] = [`${folder}/held`, `${folder}/acme.tar`];
  await Deno.writeTextFile(held, await audit("checkpoint", "--tenant", "acme"));
  await gateway.mint({ tenant: "acme", agent: "a", ttl_seconds: 600 });
  await audit("verify", "--tenant", "acme", "--key", key, "--expected", held);
  await audit("export", "--tenant", "acme", "--output", archive, "--key", key, "--checkpoint", held);
  await audit("verify-export", archive, "--key", key, "--checkpoint", held);
}

async function findsByIndex(gateway: GatewayProcess): Promise<void> {
  const search = async () =>
    await (await gateway.api("GET", `/api/v1/audit/search?tenant=default&agent=${RARE_AGENT}`)).json();
  await eventually(async () => (await search()).indexed_to === SEGMENT_EVENTS, "the index", 20_000);
  const { events } = await search();
  assert.deepEqual(events.map(({ seq }: { seq: number }) => seq), [2002, 2001]);
}

/** What a command printed that must have ended well. */
function okay({ code, out, err }: Awaited<ReturnType<typeof intentgate>>): string {
  assert.equal(code, 0, out + err);
  return out;
}
