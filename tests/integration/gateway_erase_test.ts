/** An erasure from a chain that is too long for one step: the gateway dies in the middle of it, and the next one ends it. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import { openDatabase } from "../../store/database.ts";
import { createInstallation } from "../../store/installation.ts";
import { migrate } from "../../store/migration_runner.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import { honestTexts } from "../whole_chain.ts";
import { createDatabaseTests, type DatabaseFixture } from "./databases.ts";
import { eventually, start, verdict } from "./gateways.ts";

const { test } = createDatabaseTests();
const EVENTS = { embedded: 20_000, postgres: 60_000 } as const;
const AGENT = "agent-7";
const BATCH = 250;

/** Fills the chain `default` with honest events and their salts; returns how many are the agent's. */
async function fill(fixture: DatabaseFixture): Promise<number> {
  const { kind, dataDir, migrationUrl } = fixture;
  if (kind === "postgres") await fixture.migrated();
  const database = await openDatabase({
    ...{ dataDir, timeoutMs: 60_000 },
    ...(migrationUrl === undefined ? {} : { databaseUrl: migrationUrl }),
  });
  try {
    if (kind === "embedded") await migrate(database);
    const { logId } = await createInstallation(database).readInstallation();
    const events = createAuditEvents(database);
    const entries = [...honestTexts(logId, EVENTS[kind])].map(({ eventId, text: canonical }) => ({
      ...{ chain: "default", eventId, canonical, salt: new Uint8Array(32).fill(1), conditions: [] },
    }));
    for (let at = 0; at < entries.length; at += BATCH) await events.append(entries.slice(at, at + BATCH));
    return entries.filter(({ canonical }) => canonical.includes(`"app_uid":"${AGENT}"`)).length;
  } finally {
    await database.close();
  }
}

async function ask(gateway: GatewayProcess, path: string, token: string, body?: JsonObject) {
  const response = await fetch(`${gateway.adminUrl}/api/v1${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await response.json();
  assert.ok(response.ok, `${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

/** What the chain says of the erasure after the events that were there before. */
async function saidOf(gateway: GatewayProcess, kind: DatabaseFixture["kind"]) {
  const path = `/api/v1/audit/events?tenant=default&limit=1000&after=${EVENTS[kind]}`;
  const { events } = await (await gateway.api("GET", path)).json();
  return events.map(({ event }: { event: { metadata: { event_code: string } } }) => event)
    .filter(({ metadata }: { metadata: { event_code: string } }) =>
      metadata.event_code.startsWith("audit.eras")
    );
}

test("an erasure that kill -9 ends half-way is carried on by the next start, with exact counts and one end", async (fixture) => {
  const ofAgent = await fill(fixture);
  const options = { dataDir: fixture.dataDir };
  const gateway = await start(fixture, options);
  const tokenOf = async (id: string) => {
    const body = { id, role: "admin", tenants: ["default"], ttl_seconds: 600 };
    return String((await (await gateway.api("POST", "/api/v1/operators", body)).json()).token);
  };
  const [alice, bob] = [await tokenOf("alice"), await tokenOf("bob")];
  const { id } = await ask(gateway, "/audit/erasures", alice, { tenant: "default", agent: AGENT });
  const confirmed = await ask(gateway, `/audit/actions/${id}/confirm`, bob, {});
  assert.equal(confirmed.erased, undefined);
  const { seq, last } = confirmed.erasing;
  assert.deepEqual([seq, last], [5_000, EVENTS[fixture.kind] + 1], "the request is the last event");
  await gateway.kill();
  if (fixture.kind === "postgres") {
    const { sql } = await fixture.owner();
    const [row] = await sql<{ done: number; salts: number }[]>`
      SELECT done_seq::int AS done, salts::int AS salts FROM audit_erasures`;
    assert.ok(row !== undefined && row.done >= 5_000 && row.done < last, `${row?.done} of ${last}`);
    const [left] = await sql<{ count: number }[]>`
      SELECT count(*)::int AS count FROM audit_salts JOIN audit_events USING (chain, seq)
      WHERE event LIKE ${`%"app_uid":"${AGENT}"%`}`;
    assert.equal(left?.count, ofAgent - row.salts, "what was counted has gone, and nothing else");
  }
  await using next = await start(fixture, options);
  const isDone = async () =>
    (await saidOf(next, fixture.kind)).some(({ metadata }: { metadata: { event_code: string } }) =>
      metadata.event_code === "audit.erased"
    );
  await eventually(isDone, "the end of the erasure", 60_000);
  assert.deepEqual((await ask(next, "/audit/actions", bob)).actions, []);
  const said = await saidOf(next, fixture.kind);
  const codes = said.map(({ metadata }: { metadata: { event_code: string } }) => metadata.event_code);
  assert.deepEqual(codes, ["audit.erase_requested", "audit.erase_confirmed", "audit.erased"]);
  assert.deepEqual(said[2].entity.data, { agent: AGENT, request: id, last, salts: ofAgent, values: 0 });
  assert.deepEqual(
    said.map(({ unmapped }: { unmapped: JsonObject }) => (unmapped.operator as JsonObject).id),
    [
      ...["alice", "bob", "bob"],
    ],
  );
  assert.equal(await verdict(next, "default"), "verified");
});
