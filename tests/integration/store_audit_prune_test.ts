/** What the database lets go of a chain, and what it never does. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { type LogSignerOptions, signChain } from "../../audit/log_signer.ts";
import { ed25519Signer, formatVerifierKey, parseVerifierKey } from "../../audit/signed_note.ts";
import { createAuditActions } from "../../store/audit_actions.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import { createAuditPrunes } from "../../store/audit_prunes.ts";
import { createAuditTree } from "../../store/audit_tree.ts";
import type { Database } from "../../store/database.ts";
import { createOperators } from "../../store/operators.ts";
import { createDatabaseTests } from "./databases.ts";

const { test, testPostgres } = createDatabaseTests();
const DAY = { ttlSeconds: 86_400, most: 100 } as const;

async function append(database: Database, count: number): Promise<number> {
  const events = createAuditEvents(database);
  let last = 0;
  for (let at = 0; at < count; at += 64) {
    const entries = Array.from({ length: Math.min(64, count - at) }, () => ({
      ...{ chain: "default", eventId: crypto.randomUUID(), canonical: `{"id":"${crypto.randomUUID()}"}` },
      ...{ conditions: [], salt: crypto.getRandomValues(new Uint8Array(32)) },
    }));
    const result = (await events.append(entries)).at(-1);
    if (result?.status === "appended") last = result.seq;
  }
  return last;
}

async function sign(database: Database): Promise<void> {
  const key = generateKeyPairSync("ed25519").privateKey;
  const tree = createAuditTree(database);
  const options: LogSignerOptions = {
    store: { ...createAuditEvents(database), ...tree },
    secondPlace: { read: () => Promise.resolve(undefined), write: () => Promise.resolve() },
    logOrigin: "gateway.example",
    signersOf: (origin) => [ed25519Signer(origin, key)],
    verifiersOf: (origin) => [parseVerifierKey(formatVerifierKey(origin, key))],
  };
  assert.equal((await signChain(options, "default", await tree.latestCheckpoint("default"))).kind, "signed");
}

/** A prune up to 256 that two operators want, recorded with the event that comes next. */
async function prune(database: Database, id = "action-1"): Promise<void> {
  const [actions, prunes] = [createAuditActions(database), createAuditPrunes(database)];
  const requestSeq = await append(database, 1);
  const asked = { id, chain: "default", kind: "prune" as const, details: { from: 1, to: 256 }, ...DAY };
  await database.transact((tx) => actions.request(tx, { ...asked, requestedBy: "alice", requestSeq }));
  await database.transact(async (tx) => {
    assert.equal(await actions.confirm(tx, id, "bob"), true);
    const entry = { chain: "default", eventId: crypto.randomUUID(), canonical: "{}", conditions: [] };
    const [result] = await createAuditEvents(database).appendIn(tx, [entry]);
    await prunes.record(tx, id, result?.status === "appended" ? result.seq : 0);
  });
}

test("bodies go only when the event that accounts for them is signed, with salts, and no others", async (fixture) => {
  const database = await fixture.migrated();
  const prunes = createAuditPrunes(database);
  await append(database, 300);
  await sign(database);
  assert.equal(await prunes.removeBodies(1_000), 0);
  await prune(database);
  assert.equal(await prunes.removeBodies(1_000), 0, "the event is not signed yet");
  await sign(database);
  assert.equal(await prunes.removeBodies(100), 100);
  assert.equal(await prunes.removeBodies(1_000), 156);
  assert.equal(await prunes.removeBodies(1_000), 0);
  assert.deepEqual(await prunes.pruned("default"), { to: 256, requestSeq: 301, eventSeq: 302 });
  assert.equal(await prunes.strandedSalt("default", 256), undefined);
  const left = await createAuditEvents(database).read("default", 0, 1_000);
  assert.deepEqual([left[0]?.seq, left.length], [257, 46]);
  const { sql } = await fixture.owner();
  assert.equal((await sql`SELECT FROM audit_salts WHERE seq <= 256`).length, 0);
  assert.equal((await sql`SELECT FROM audit_salts`).length, 45);
  await sql`INSERT INTO audit_salts (chain, seq, salt) VALUES ('default', 9, ${new Uint8Array(32)})`;
  assert.equal(await prunes.strandedSalt("default", 256), 9, "a salt that was put back is found");
});

test("an action is confirmed once, in time, by another person with a name", async (fixture) => {
  const database = await fixture.migrated();
  const [actions, prunes] = [createAuditActions(database), createAuditPrunes(database)];
  const confirm = (id: string, operator: string) =>
    database.transact((tx) => actions.confirm(tx, id, operator));
  const asked = { chain: "default", kind: "prune" as const, details: { from: 1, to: 256 }, requestSeq: 1 };
  const request = (id: string, ttlSeconds: number, requestedBy = "alice") =>
    database.transact((tx) => actions.request(tx, { ...asked, id, ttlSeconds, most: 100, requestedBy }));
  await assert.rejects(() => request("0", 60, "root"));
  await request("1", 60);
  await request("2", -1);
  assert.deepEqual((await actions.pending("", 10)).map(({ id }) => id), ["1"]);
  assert.deepEqual((await actions.pending("", 10, ["acme"])).map(({ id }) => id), []);
  assert.equal(await confirm("1", "alice"), false);
  assert.equal(await confirm("1", "root"), false);
  assert.equal(await confirm("2", "bob"), false, "it has expired");
  await assert.rejects(() => database.transact((tx) => prunes.record(tx, "1", 3)), /two persons/);
  assert.equal(await confirm("1", "bob"), true);
  assert.equal(await confirm("1", "carol"), false, "it is done");
  assert.equal(await actions.findPending("1", "bob"), undefined);
  const operators = createOperators(database);
  const tokenOf = (id: string, createdBy: string) => ({
    ...{ id, tokenSha256: crypto.getRandomValues(new Uint8Array(32)), role: "admin" as const, createdBy },
    ...{ tenants: "*" as const, ttlSeconds: 60 },
  });
  for (const [id, createdBy] of [["alice", "root"], ["second-alice", "alice"], ["dave", "root"]] as const) {
    await database.transact((tx) => operators.insert(tx, tokenOf(id, createdBy)));
  }
  await request("3", 60);
  assert.equal((await actions.findPending("3", "second-alice"))?.isRelated, true);
  assert.equal((await actions.findPending("3", "dave"))?.isRelated, false);
  assert.equal(await confirm("3", "second-alice"), false, "who made the token has seen it");
  await request("4", 60, "second-alice");
  assert.equal(await confirm("4", "alice"), false);
  assert.equal(await confirm("4", "dave"), true);
  for (let n = 0; n < 99; n++) assert.ok(await request(`many-${n}`, 60) !== undefined);
  assert.equal(await request("too-many", 60), undefined);
});

test("what is young, unsigned, or owes an outcome is not prunable", async (fixture) => {
  const database = await fixture.migrated();
  const [events, prunes] = [createAuditEvents(database), createAuditPrunes(database)];
  await append(database, 20);
  assert.equal(await prunes.prunableTo("default", 0), 0);
  await sign(database);
  assert.equal(await prunes.prunableTo("default", 0), 20);
  assert.equal(await prunes.prunableTo("default", 1), 0);
  const entry = { chain: "default", canonical: "{}" };
  const open = { kind: "open_decision", decision_id: "d", replica_id: "r" } as const;
  await events.append([{ ...entry, eventId: "allow", conditions: [open] }]);
  await append(database, 5);
  await sign(database);
  assert.equal(await prunes.prunableTo("default", 0), 20);
  await events.append([{
    ...{ ...entry, eventId: "outcome" },
    conditions: [{ kind: "close_decision", decision_id: "d" }],
  }]);
  assert.equal(await prunes.prunableTo("default", 0), 26);
});

testPostgres("nobody removes an event that no prune accounts for, the owner neither", async (fixture) => {
  const database = await fixture.migrated();
  await append(database, 300);
  await sign(database);
  await prune(database);
  const { sql } = await fixture.owner();
  await assert.rejects(() => sql`DELETE FROM audit_events WHERE seq = 257`, /only ever added/);
  await assert.rejects(() => sql`UPDATE audit_events SET event = '{}' WHERE seq = 1`, /only ever added/);
  for (const table of ["audit_prunes", "audit_actions"]) {
    await assert.rejects(() => sql.unsafe(`DELETE FROM ${table}`), /only ever added/);
    await assert.rejects(() => sql.unsafe(`TRUNCATE ${table} CASCADE`), /only ever added/);
  }
  await assert.rejects(() => sql`UPDATE audit_prunes SET to_seq = 512`, /only ever added/);
  await assert.rejects(() => database.sql`DELETE FROM audit_events WHERE seq = 1`, /permission denied/);
  await assert.rejects(() => database.sql`INSERT INTO audit_prunes VALUES ('default', 512, 600, 601, 'x')`);
});
