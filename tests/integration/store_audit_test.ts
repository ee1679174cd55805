import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  type AppendCondition,
  type AuditEntry,
  INSTALLATION_CHAIN,
  MAX_COUNTERS_PER_ROOT,
  UNVERIFIED_CHAIN,
} from "../../core/audit_entry.ts";
import { type AuditEvents, createAuditEvents } from "../../store/audit_events.ts";
import type { Database } from "../../store/database.ts";
import { createInstallation } from "../../store/installation.ts";
import { isRefusedStatement } from "../../store/refused_statement.ts";
import { createTenants } from "../../store/tenants.ts";
import { createDatabaseTests } from "./databases.ts";

const { test } = createDatabaseTests();

function entry(chain: string, text: string, conditions: AppendCondition[] = []): AuditEntry {
  return { chain, eventId: crypto.randomUUID(), canonical: JSON.stringify({ text }), conditions };
}

/** Recomputes a chain from its genesis, apart from the code under test. */
async function verify(database: Database, chain: string): Promise<string[]> {
  const events = createAuditEvents(database);
  const { logId } = await createInstallation(database).readInstallation();
  let hash = createHash("sha256").update(`intentgate-audit-v1\0${logId}\0${chain}`).digest();
  const rows = await events.read(chain, 0, 100_000);
  rows.forEach((row, index) => {
    hash = createHash("sha256").update(hash).update(row.canonical, "utf8").digest();
    assert.equal(row.seq, index + 1);
    assert.equal(row.hash, hash.toString("hex"));
  });
  assert.deepEqual(await events.head(chain), { seq: rows.length, hash: hash.toString("hex") });
  return rows.map((row) => row.canonical);
}

async function ensureTenants(database: Database, ...names: string[]): Promise<void> {
  const tenants = createTenants(database);
  for (const name of names) await database.transact((tx) => tenants.ensure(tx, name));
}

test("append() chains events of several tenants in the order of the batch", async (fixture) => {
  const database = await fixture.migrated();
  await ensureTenants(database, "zeta", "acme");
  const events = createAuditEvents(database);
  const texts = ["1", 'quote " and \\ and \n', 'ünïcødé 🎉 {},"', "4", "5"];
  const chains = ["zeta", "acme", "zeta", UNVERIFIED_CHAIN, "acme"];
  const results = await events.append(texts.map((text, index) => entry(chains[index] ?? "", text)));
  assert.deepEqual(results.map((result) => result.status === "appended" ? result.seq : 0), [1, 1, 2, 1, 2]);
  const of = (...indexes: number[]) => indexes.map((index) => JSON.stringify({ text: texts[index] }));
  assert.deepEqual(await verify(database, "zeta"), of(0, 2));
  assert.deepEqual(await verify(database, "acme"), of(1, 4));
  assert.deepEqual(await verify(database, UNVERIFIED_CHAIN), of(3));
  assert.deepEqual(await verify(database, "default"), []);
  assert.deepEqual(await events.chains(), ["acme", "default", "zeta", INSTALLATION_CHAIN, UNVERIFIED_CHAIN]);
  const last = results[2];
  assert.ok(last?.status === "appended");
  assert.deepEqual(await events.head("zeta"), { seq: 2, hash: last.hash });
});

test("chains() names those whose rows are gone", async (fixture) => {
  const database = await fixture.migrated();
  await ensureTenants(database, "acme");
  const owner = await fixture.owner();
  await owner.sql`ALTER TABLE audit_heads DISABLE TRIGGER never_gone`;
  await owner.sql`DELETE FROM audit_heads`;
  assert.deepEqual(await createAuditEvents(database).chains(), [
    "acme",
    "default",
    INSTALLATION_CHAIN,
    UNVERIFIED_CHAIN,
  ]);
});

test("append() keeps salts beside the events", async (fixture) => {
  const database = await fixture.migrated();
  const events = createAuditEvents(database);
  const salt = crypto.getRandomValues(new Uint8Array(32));
  await events.append([entry("default", "none"), { ...entry("default", "salted"), salt }]);
  await events.append([{ ...entry("default", "salted first"), salt }, entry("default", "none")]);
  const rows = await (await fixture.owner())
    .sql`SELECT seq::int AS seq, encode(salt, 'hex') AS salt FROM audit_salts ORDER BY seq`;
  assert.deepEqual([...rows], [2, 3].map((seq) => ({ seq, salt: salt.toHex() })));
});

test("append() of an empty batch does nothing", async (fixture) => {
  const database = await fixture.migrated();
  assert.deepEqual(await createAuditEvents(database).append([]), []);
});

test("append() refuses an unknown chain and an unknown condition, and keeps nothing of the batch", async (fixture) => {
  const database = await fixture.migrated();
  const events = createAuditEvents(database);
  await assert.rejects(
    events.append([entry("default", "1"), entry("nobody", "2")]),
    /Unknown audit chain "nobody"/,
  );
  const unknown = { kind: "fly" } as unknown as AppendCondition;
  await assert.rejects(events.append([entry("default", "1", [unknown])]), /Unknown append condition "fly"/);
  assert.deepEqual(await verify(database, "default"), []);
});

test("append() refuses texts that no event has, whatever stands beside them, and keeps nothing", async (fixture) => {
  const database = await fixture.migrated();
  const events = createAuditEvents(database);
  const [good, other] = [entry("default", "1"), entry("default", "2")];
  const raw = (canonical: string): AuditEntry => ({ ...good, canonical });
  const batches: readonly (readonly AuditEntry[])[] = [
    ...["-", "\n", "{}\n{}", "{}\n-", "-\n"].flatMap((text) => [[raw(text)], [raw(text), other]]),
    [raw("{}\n{}"), raw("")],
    [raw(""), raw("{}\n{}"), other],
    [{ ...good, chain: "default\ndefault" }],
    [{ ...good, chain: "-" }],
    [{ ...good, eventId: "a\nb" }],
    [{ ...good, eventId: "-" }],
  ];
  for (const batch of batches) await assert.rejects(events.append(batch), JSON.stringify(batch));
  assert.deepEqual(await verify(database, "default"), []);
});

test("append() from four connections leaves whole chains", async (fixture) => {
  const database = await fixture.migrated();
  const others = fixture.kind === "postgres"
    ? await Promise.all([1, 2, 3].map(() => fixture.open()))
    : [database, database, database];
  const tenants = ["a", "b", "c", "d"];
  await ensureTenants(database, ...tenants);
  const writers = [database, ...others].map(async (own, writer) => {
    const events = createAuditEvents(own);
    for (let batch = 0; batch < 15; batch++) {
      // Each writer names the chains in another order: without sorted locks they would dead-lock.
      const order = [...tenants.slice(writer), ...tenants.slice(0, writer)];
      await events.append(
        order.flatMap((chain) => [1, 2, 3].map((part) => entry(chain, `${writer}/${batch}/${part}`))),
      );
    }
  });
  await Promise.all(writers);
  for (const tenant of tenants) {
    const texts = await verify(database, tenant);
    assert.equal(texts.length, 4 * 15 * 3);
    assert.equal(new Set(texts).size, texts.length);
  }
});

test("append() drops only the event whose condition fails, and what its earlier conditions did", async (fixture) => {
  const database = await fixture.migrated();
  const events = createAuditEvents(database);
  const consume = (block_id: string, max: number): AppendCondition => ({
    kind: "consume_call",
    block_id,
    root_block_id: "parent",
    max,
    expires_at: 4_000_000_000,
  });
  const open = (decision_id: string): AppendCondition => ({
    kind: "open_decision",
    decision_id,
    replica_id: "r",
  });
  const results = await events.append([
    entry("default", "1", [consume("parent", 10), consume("child", 1), open("d1")]),
    entry("default", "2", [consume("parent", 10), open("d2"), consume("child", 1)]),
    entry("default", "3", [consume("none", 0)]),
    entry("default", "4"),
    entry("default", "5", [{ kind: "close_decision", decision_id: "d1" }, {
      kind: "return_call",
      block_id: "child",
    }]),
    entry("default", "6", [consume("child", 1)]),
  ]);
  assert.deepEqual(
    results.map((result) => result.status === "appended" ? result.seq : `conflict ${result.condition}`),
    [1, "conflict 2", "conflict 0", 2, 3, 4],
  );
  assert.deepEqual(
    await verify(database, "default"),
    ["1", "4", "5", "6"].map((text) => JSON.stringify({ text })),
  );
  const counters = await (await fixture.owner())
    .sql`SELECT block_id, used::int AS used FROM call_counters ORDER BY block_id`;
  assert.deepEqual([...counters], [{ block_id: "child", used: 1 }, { block_id: "parent", used: 1 }]);
  assert.deepEqual(await events.openDecisions("r", "", 10), []);
});

test("consume_call lets exactly max calls through under concurrency", async (fixture) => {
  const database = await fixture.migrated();
  const other = fixture.kind === "postgres" ? await fixture.open() : database;
  const writers = [createAuditEvents(database), createAuditEvents(other)];
  const condition: AppendCondition = {
    kind: "consume_call",
    block_id: "b",
    root_block_id: "b",
    max: 50,
    expires_at: 4_000_000_000,
  };
  let allowed = 0;
  const append = async (events: AuditEvents, call: number) => {
    const [result] = await events.append([entry("default", String(call), [condition])]);
    if (result?.status === "appended") allowed++;
  };
  // 200 calls, 20 under way at any time.
  let next = 0;
  const lanes = Array.from({ length: 20 }, async (_, lane) => {
    const events = writers[lane % 2];
    assert.ok(events !== undefined);
    while (next < 200) await append(events, next++);
  });
  await Promise.all(lanes);
  assert.equal(allowed, 50);
  assert.equal((await verify(database, "default")).length, 50);
});

test("close_decision succeeds exactly once", async (fixture) => {
  const database = await fixture.migrated();
  await ensureTenants(database, "acme");
  const events = createAuditEvents(database);
  await events.append([
    entry("default", "allow", [{ kind: "open_decision", decision_id: "d", replica_id: "r1" }]),
    entry("default", "other", [{ kind: "open_decision", decision_id: "e", replica_id: "r2" }]),
  ]);
  assert.deepEqual(await events.openDecisions("r1", "", 10), [
    { decisionId: "d", chain: "default", seq: 1, event: '{"text":"allow"}' },
  ]);
  assert.deepEqual(await events.openDecisions("r1", "d", 10), []);
  const close: AppendCondition = { kind: "close_decision", decision_id: "d" };
  const results = await Promise.all(
    [1, 2, 3, 4].map((attempt) => events.append([entry("default", `outcome ${attempt}`, [close])])),
  );
  assert.equal(results.flat().filter((result) => result.status === "appended").length, 1);
  const [foreign] = await events.append([entry("acme", "x", [{ kind: "close_decision", decision_id: "e" }])]);
  assert.deepEqual(foreign, { status: "conflict", condition: 0 }, "a decision of another chain stays open");
  assert.equal((await verify(database, "default")).length, 3);
});

test("appendIn() commits and vanishes with its transaction", async (fixture) => {
  const database = await fixture.migrated();
  const events = createAuditEvents(database);
  const refuse = new RangeError("refused");
  await assert.rejects(
    database.transact(async (tx) => {
      await events.appendIn(tx, [entry("default", "lost")]);
      throw refuse;
    }),
    (error) => error === refuse,
  );
  await database.transact((tx) => events.appendIn(tx, [entry("default", "kept")]));
  assert.deepEqual(await verify(database, "default"), ['{"text":"kept"}']);
});

test("append() is durable even where the server's default is not", async (fixture) => {
  const database = await fixture.migrated();
  const events = createAuditEvents(database);
  await database.transact(async (tx) => {
    const sql = tx as unknown as Database["sql"];
    await sql`SET LOCAL synchronous_commit = off`;
    await events.appendIn(tx, [entry("default", "1")]);
    const [row] = await sql<{ value: string }[]>`SELECT current_setting('synchronous_commit') AS value`;
    assert.equal(row?.value, "on");
  });
});

test("removeExpiredCounters() forgets only what is long expired", async (fixture) => {
  const database = await fixture.migrated();
  const events = createAuditEvents(database);
  const now = Date.now() / 1000;
  const consume = (block_id: string, expires_at: number): AppendCondition => ({
    kind: "consume_call",
    block_id,
    root_block_id: "old",
    max: 5,
    expires_at,
  });
  await events.append([
    entry("default", "1", [consume("old", now - 7_200)]),
    entry("default", "2", [consume("new", now - 60)]),
  ]);
  assert.equal(await events.removeExpiredCounters(), 1);
  const rows = await (await fixture.owner()).sql`SELECT block_id FROM call_counters`;
  assert.deepEqual([...rows], [{ block_id: "new" }]);
});

test("consume_call gives the tokens of one root block at most 1,000 counters", async (fixture) => {
  const database = await fixture.migrated();
  const other = fixture.kind === "postgres" ? await fixture.open() : database;
  const writers = [createAuditEvents(database), createAuditEvents(other)];
  const consume = (root: string, block: number, expires_at = 4_000_000_000): AuditEntry =>
    entry("default", `${root}/${block}`, [
      { kind: "consume_call", block_id: `${root}/${block}`, root_block_id: root, max: 2, expires_at },
    ]);
  const batches = Array.from(
    { length: 11 },
    (_, batch) => Array.from({ length: 100 }, (_, index) => consume("spammer", 100 * batch + index)),
  );
  const answers = (await Promise.all(batches.map((batch, index) => writers[index % 2]!.append(batch))))
    .flat();
  const full = { status: "conflict", condition: 0, full: true };
  assert.equal(answers.filter((answer) => answer.status === "appended").length, MAX_COUNTERS_PER_ROOT);
  for (const answer of answers.filter(({ status }) => status !== "appended")) assert.deepEqual(answer, full);
  const held = answers.findIndex((answer) => answer.status === "appended");
  const events = createAuditEvents(database);
  const [again, used, victim, spam, late] = await events.append([
    consume("spammer", held),
    consume("spammer", held),
    consume("victim", 0),
    consume("spammer", -1),
    entry("default", "undone", [
      ...consume("victim", 1).conditions,
      ...consume("spammer", -2).conditions,
    ]),
  ]);
  assert.equal(again?.status, "appended", "a counter that exists goes on counting");
  assert.deepEqual(used, { status: "conflict", condition: 0 });
  assert.equal(victim?.status, "appended", "other tokens have room of their own");
  assert.deepEqual(spam, full);
  assert.deepEqual(late, { ...full, condition: 1 });
  const owner = await fixture.owner();
  assert.equal(await countersOf(owner, "victim"), 1);
  await owner.sql`UPDATE call_counters SET expires_at = to_timestamp(1) WHERE root_block_id = 'spammer'`;
  assert.equal(await events.removeExpiredCounters(), MAX_COUNTERS_PER_ROOT);
  const [fresh] = await events.append([consume("spammer", -1)]);
  assert.equal(fresh?.status, "appended");
  assert.deepEqual([await countersOf(owner, "spammer"), await countersOf(owner, "victim")], [1, 1]);
});

async function countersOf(database: Database, root: string): Promise<number> {
  const [row] = await database
    .sql<{ count: number }[]>`SELECT count(*)::int FROM call_counters WHERE root_block_id = ${root}`;
  return row?.count ?? 0;
}

test("an event id stands once: not_recorded drops what is there, and a first attempt that comes last is refused", async (fixture) => {
  const db = await fixture.migrated();
  const events = createAuditEvents(db);
  const late = (of: AuditEntry): AuditEntry => ({
    ...of,
    canonical: JSON.stringify({ late: true }),
    conditions: [{ kind: "not_recorded", event_id: of.eventId }, ...of.conditions],
  });
  const [early, lost] = [entry("default", "early"), entry("default", "lost")];
  assert.equal((await events.append([early]))[0]?.status, "appended");
  const replayed = await events.append([late(early), late(lost), entry("default", "another")]);
  assert.deepEqual(replayed.map(({ status }) => status), ["conflict", "appended", "appended"]);
  const again = await events.append([late(early), late(lost)]);
  assert.deepEqual(again, [{ status: "conflict", condition: 0 }, { status: "conflict", condition: 0 }]);
  // The statement that nobody waits for any more comes after its replay: all of it is refused, and nothing of it done.
  const open: AppendCondition = { kind: "open_decision", decision_id: "d", replica_id: "r" };
  await assert.rejects(
    events.append([entry("default", "allow", [open]), lost]),
    (error: unknown) => isRefusedStatement(error),
  );
  assert.deepEqual([...await db.readEverybody((sql) => sql`SELECT decision_id FROM open_decisions`)], []);
  assert.deepEqual(await verify(db, "default"), ['{"text":"early"}', '{"late":true}', '{"text":"another"}']);
});

test("a late outcome closes its decision once, and gives nothing back when there is nothing to close", async (fixture) => {
  const db = await fixture.migrated();
  const events = createAuditEvents(db);
  const counted = { block_id: "b", root_block_id: "b", max: 9, expires_at: 4_000_000_000 };
  const [allowed] = await events.append([
    entry("default", "allow", [
      { kind: "open_decision", decision_id: "d", replica_id: "r" },
      { kind: "consume_call", ...counted },
    ]),
  ]);
  assert.equal(allowed?.status, "appended");
  const used = async () =>
    Number((await db.read("default", (sql) => sql`SELECT used FROM call_counters`))[0]?.used);
  const outcome = (): AuditEntry => {
    const made = entry("default", "not_forwarded");
    const close: AppendCondition = { kind: "close_decision", decision_id: "d" };
    return {
      ...made,
      conditions: [{ kind: "not_recorded", event_id: made.eventId }, close, {
        kind: "return_call",
        block_id: "b",
      }],
    };
  };
  assert.equal(await used(), 1);
  assert.equal((await events.append([outcome()]))[0]?.status, "appended");
  assert.equal(await used(), 0);
  await events.append([entry("default", "other", [{ kind: "consume_call", ...counted }])]);
  assert.deepEqual(await events.append([outcome()]), [{ status: "conflict", condition: 1 }]);
  assert.equal(await used(), 1);
});
