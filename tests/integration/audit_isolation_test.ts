/** One event that the database refuses costs nobody else's decision, on the real databases. */
import assert from "node:assert/strict";
import { createAppender } from "../../audit/appender.ts";
import type { AuditEntry } from "../../core/audit_entry.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import { isRefusedStatement } from "../../store/refused_statement.ts";
import { sqlOf } from "../../store/transaction.ts";
import { createDatabaseTests } from "./databases.ts";

const { test } = createDatabaseTests();

const entry = (chain: string, text: string, conditions: unknown[] = []): AuditEntry => ({
  ...{ chain, eventId: text, canonical: JSON.stringify({ text }) },
  conditions: conditions as AuditEntry["conditions"],
});

test("poisonous events fail alone: unknown chain, unknown condition, a date beyond the calendar", async (fixture) => {
  const db = await fixture.migrated();
  const events = createAuditEvents(db);
  let statements = 0;
  const append = (entries: readonly AuditEntry[]) => {
    statements++;
    return db.deadline(events.append(entries));
  };
  const poison = [
    entry("nobody", "unknown chain"),
    entry("default", "unknown condition", [{ kind: "no_such_condition" }]),
    entry("default", "date", [
      { kind: "consume_call", block_id: "b", root_block_id: "b", max: 1, expires_at: 1e300 },
    ]),
  ];
  const good = Array.from({ length: 60 }, (_, index) => entry("default", `good ${index}`));
  const all = [
    ...good.slice(0, 20),
    poison[0]!,
    ...good.slice(20, 40),
    poison[1]!,
    ...good.slice(40),
    poison[2]!,
  ];
  const unguarded = createAppender({ append });
  const lost = await Promise.allSettled(all.map((one) => unguarded.append(one).done));
  assert.ok(lost.every(({ status }) => status === "rejected"), "without the check they take the batch along");
  assert.equal(statements, 1);
  const appender = createAppender({ append, isRefusal: isRefusedStatement });
  const settled = await Promise.allSettled(all.map((one) => appender.append(one).done));
  const refused = settled.flatMap(({ status }, index) => status === "rejected" ? [all[index]?.eventId] : []);
  assert.deepEqual(refused, poison.map(({ eventId }) => eventId));
  const rows = await events.read("default", 0, 1_000);
  assert.deepEqual(rows.map(({ canonical }) => canonical), good.map(({ canonical }) => canonical));
  assert.ok(statements < 64, `${statements} statements`);
});

test("a function or a right that is missing says nothing of the event: it is kept, and not counted as refused", async (fixture) => {
  const db = await fixture.migrated();
  await assert.rejects(db.deadline(db.sql`SELECT no_such_function()`), (error) => !isRefusedStatement(error));
  await assert.rejects(
    db.transact(async (tx) => {
      await sqlOf(tx)`SET LOCAL ROLE pg_monitor`;
      await sqlOf(tx)`SELECT count(*) FROM audit_events`;
    }),
    (error) => !isRefusedStatement(error),
  );
});

test("a database that is away is no refusal of a statement", async (fixture) => {
  const db = await fixture.migrated();
  await assert.rejects(db.deadline(db.sql`SELECT pg_sleep(1)`, 50), (error) => !isRefusedStatement(error));
  await assert.rejects(db.deadline(db.sql`SELECT 1 / 0`), (error) => isRefusedStatement(error));
  await assert.rejects(db.sql`SELECT 1 / 0`, (error) => isRefusedStatement(error));
});
