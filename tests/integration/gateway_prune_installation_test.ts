/** Two operators of all tenants prune the chains that are no tenant's; what the next start needs stays. */
import assert from "node:assert/strict";
import { failedLoginsEvent } from "../../audit/login_event.ts";
import { installationEvent } from "../../audit/installation_event.ts";
import { canonicalJson } from "../../core/canonical_json.ts";
import { INSTALLATION_CHAIN, UNVERIFIED_CHAIN } from "../../core/audit_entry.ts";
import type { JsonObject } from "../../core/json.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import type { Database } from "../../store/database.ts";
import { createInstallation } from "../../store/installation.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests, type DatabaseFixture } from "./databases.ts";
import { events, start } from "./gateways.ts";

const { testPostgres } = createDatabaseTests();
const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);
const RETENTION = { unverified_retention_days: 30, installation_retention_days: 366 } as const;

/** Appends 300 events of a kind that the chain has anyway. */
async function fill(database: Database, chain: string): Promise<void> {
  const { logId } = await createInstallation(database).readInstallation();
  const source = { logId, version: "0.0.0", replicaId: "filler", configDigest: "0".repeat(64) };
  const log = createAuditEvents(database);
  const when = (eventId: string) => ({ eventId, settingsVersion: 1, timeMs: 1, firstMs: 1, lastMs: 1 });
  const entity = { type: "checkpoint_key", uid: "k", data: {} };
  const entries = Array.from({ length: 300 }, () => {
    const eventId = crypto.randomUUID();
    const event = chain === UNVERIFIED_CHAIN
      ? failedLoginsEvent(source, {
        ...{
          ...when(eventId),
          code: "operator_unauthenticated",
          sourceIp: "192.0.2.7",
          count: 1,
          mixed: false,
        },
      })
      : installationEvent(source, { ...when(eventId), code: "checkpoint_key.activated", entity });
    return { chain, eventId, canonical: canonicalJson(event), conditions: [] };
  });
  await log.append(entries);
}

/** Signs what is there and makes it old: only the owner of the tables can, without the triggers. */
async function signAndAge(gateway: GatewayProcess, fixture: DatabaseFixture, days: number): Promise<void> {
  for (const chain of [UNVERIFIED_CHAIN, INSTALLATION_CHAIN]) {
    const last = `/api/v1/audit/export?tenant=${chain}&first=300&last=300`;
    assert.equal((await gateway.api("GET", last)).status, 200);
  }
  const { sql } = await fixture.owner();
  await sql`ALTER TABLE audit_checkpoints DISABLE TRIGGER only_added`;
  await sql`UPDATE audit_checkpoints SET signed_at = signed_at - make_interval(days => ${days})`;
  await sql`ALTER TABLE audit_checkpoints ENABLE TRIGGER only_added`;
}

type Ask = (
  path: string,
  body?: JsonObject,
) => Promise<{ readonly status: number; readonly body: JsonObject }>;

async function operator(gateway: GatewayProcess, id: string, tenants: "*" | string[]): Promise<Ask> {
  const made = { id, role: "admin", tenants, ttl_seconds: 600 };
  const { token } = await (await gateway.api("POST", "/api/v1/operators", made)).json();
  return async (path, body) => {
    const response = await fetch(`${gateway.adminUrl}/api/v1${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body ?? {}),
    });
    return { status: response.status, body: await response.json() };
  };
}

/** Asks and confirms; what was asked for. */
async function prune([alice, bob]: readonly [Ask, Ask], tenant: string): Promise<JsonObject> {
  const asked = await alice("/audit/prunes", { tenant });
  assert.equal(asked.status, 201, JSON.stringify(asked.body));
  const done = await bob(`/audit/actions/${asked.body.id}/confirm`);
  assert.equal(done.status, 200, JSON.stringify(done.body));
  return asked.body.details as JsonObject;
}

async function isWhole(gateway: GatewayProcess, chain: string, to: number, folder: string): Promise<void> {
  const report = await (await gateway.api("GET", `/api/v1/audit/verify?tenant=${chain}`)).json();
  assert.deepEqual([report.verdict, report.pruned.last], ["verified", to], JSON.stringify(report));
  const archive = await gateway.api("GET", `/api/v1/audit/export?tenant=${chain}`);
  await Deno.writeFile(`${folder}/all.tar`, archive.body!);
  const { keys } = await (await gateway.api("GET", `/api/v1/audit/log/${chain}`)).json();
  const args = [`${ROOT}/tools/verify_export.py`, "all.tar", "--key", keys[0]];
  const python = await new Deno.Command("python3", { args, cwd: folder }).output();
  assert.equal(python.code, 0, new TextDecoder().decode(python.stdout));
  assert.equal(JSON.parse(new TextDecoder().decode(python.stdout)).pruned.last, to);
}

testPostgres(
  "two operators of all tenants prune the chains that are no tenant's, and everybody can check them",
  async (fixture) => {
    const database = await fixture.migrated();
    for (const chain of [UNVERIFIED_CHAIN, INSTALLATION_CHAIN]) await fill(database, chain);
    const options = { dataDir: fixture.dataDir };
    {
      await using gateway = await start(fixture, options);
      const alice = await operator(gateway, "alice", "*");
      for (const tenant of [UNVERIFIED_CHAIN, INSTALLATION_CHAIN]) {
        const refused = await alice("/audit/prunes", { tenant });
        assert.deepEqual([refused.status, refused.body.type], [409, "urn:intentgate:problem:no_retention"]);
      }
    }
    {
      await using gateway = await start(fixture, { ...options, config: RETENTION });
      const [carol, dave] = [await operator(gateway, "carol", "*"), await operator(gateway, "dave", "*")];
      const some = await operator(gateway, "some", ["acme"]);
      await fill(database, INSTALLATION_CHAIN);
      await signAndAge(gateway, fixture, 40);
      for (const tenant of [UNVERIFIED_CHAIN, INSTALLATION_CHAIN]) {
        assert.equal((await some("/audit/prunes", { tenant })).status, 404);
      }
      const young = await carol("/audit/prunes", { tenant: INSTALLATION_CHAIN });
      assert.match(String(young.body.detail), /older than 366 days/);
      assert.deepEqual(await prune([carol, dave], UNVERIFIED_CHAIN), { from: 1, to: 256 });
      await isWhole(gateway, UNVERIFIED_CHAIN, 256, fixture.dataDir);
      await signAndAge(gateway, fixture, 400);
      // 512 of them are old enough, but the start of this gateway, which the next is compared with, stands before that.
      assert.deepEqual(await prune([carol, dave], INSTALLATION_CHAIN), { from: 1, to: 256 });
      await isWhole(gateway, INSTALLATION_CHAIN, 256, fixture.dataDir);
    }
    await using gateway = await start(fixture, {
      ...options,
      config: { ...RETENTION, drain_timeout_ms: 9_999 },
    });
    const codes = (await events(gateway, INSTALLATION_CHAIN)).map(({ metadata }) => metadata.event_code);
    assert.equal(
      codes.filter((code) => code === "configuration.changed").length,
      2,
      "each start knew the one before",
    );
    const [erin, frank] = [await operator(gateway, "erin", "*"), await operator(gateway, "frank", "*")];
    await signAndAge(gateway, fixture, 400);
    assert.deepEqual(await prune([erin, frank], INSTALLATION_CHAIN), { from: 257, to: 512 });
    await isWhole(gateway, INSTALLATION_CHAIN, 512, fixture.dataDir);
  },
);
