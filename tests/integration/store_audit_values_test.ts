/** Texts beside events: kept in the transaction of the event, erased without a trace in the chain. */
import assert from "node:assert/strict";
import type { AuditEntry } from "../../core/audit_entry.ts";
import { MAX_VALUE_BYTES, type PrivateValues } from "../../core/record_values.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import { createAuditValues } from "../../store/audit_values.ts";
import { createDatabaseTests } from "./databases.ts";

const { test, testPostgres } = createDatabaseTests();
const SALT = new Uint8Array(32).fill(7);

function entry(agent: string, values?: PrivateValues, more: Partial<AuditEntry> = {}): AuditEntry {
  const canonical = JSON.stringify({ actor: { app_uid: agent, user: { uid: `u-${agent}` } } });
  return {
    ...{ chain: "default", eventId: crypto.randomUUID(), canonical, salt: SALT, conditions: [] },
    ...(values === undefined ? {} : { values }),
    ...more,
  };
}

test("texts are kept with their event, and not when its condition fails", async (fixture) => {
  const database = await fixture.migrated();
  const [events, values] = [createAuditEvents(database), createAuditValues(database)];
  const text = 'ünïcødé 🎉 " \\ \n {},';
  const results = await events.append([
    entry("a", { arguments: text, reason: "why" }),
    entry("b"),
    entry("c", { prompt: "lost" }, { conditions: [{ kind: "close_decision", decision_id: "none" }] }),
    entry("d", { prompt: "x".repeat(MAX_VALUE_BYTES) }),
  ]);
  assert.deepEqual(results.map(({ status }) => status), ["appended", "appended", "conflict", "appended"]);
  const read = await values.read("default", [1, 2, 3, 4]);
  assert.deepEqual(
    read.toSorted((left, right) => left.seq - right.seq).map(({ seq, values }) => [seq, values]),
    [
      [1, { arguments: text, reason: "why" }],
      [2, {}],
      [3, { prompt: "x".repeat(MAX_VALUE_BYTES) }],
    ],
  );
  assert.deepEqual([...read.find(({ seq }) => seq === 1)?.salt ?? []], [...SALT]);
  await assert.rejects(() => events.append([entry("e", { prompt: "x".repeat(MAX_VALUE_BYTES + 1) })]));
  assert.equal((await events.head("default"))?.seq, 3, "an event whose text does not fit is not recorded");
});

testPostgres(
  "one tenant's texts are not another's, and the run-time role writes none past the functions",
  async (fixture) => {
    const database = await fixture.migrated();
    await createAuditEvents(database).append([entry("a", { arguments: "secret" })]);
    const seen = await database.read("acme", (sql) => sql`SELECT FROM audit_values`);
    assert.equal(seen.length, 0);
    for (const table of ["audit_values", "audit_salts", "audit_actions"]) {
      await assert.rejects(() => database.sql.unsafe(`DELETE FROM ${table}`), /permission denied/);
    }
  },
);
