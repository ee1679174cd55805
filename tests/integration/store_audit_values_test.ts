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

test("erasing takes salts and texts of an agent, a user or an event, and leaves the chain as it was", async (fixture) => {
  const database = await fixture.migrated();
  const [events, values] = [createAuditEvents(database), createAuditValues(database)];
  const odd = 'agent "with" \\ and é';
  await events.append([
    ...["bot", odd, "bot", "robot", "bot2"].map((agent) => entry(agent, { arguments: agent })),
    entry("else", { arguments: '"app_uid":"bot"' }, { eventId: "one" }),
  ]);
  const before = await events.read("default", 0, 100);
  const erase = (filter: Parameters<typeof values.erase>[2]) =>
    database.transact((tx) => values.erase(tx, "default", filter));
  const left = async () =>
    (await values.read("default", [1, 2, 3, 4, 5, 6])).map(({ seq }) => seq).toSorted((a, b) => a - b);
  assert.deepEqual(await erase({ agent: "bot", to_time: 1 }), { salts: 0, values: 0 });
  assert.deepEqual(await erase({ agent: "bot", from_time: 4e9 }), { salts: 0, values: 0 });
  assert.deepEqual(await erase({ agent: "bot", from_time: 1 }), { salts: 2, values: 2 });
  assert.deepEqual(await left(), [2, 4, 5, 6]);
  assert.deepEqual(await erase({ agent: odd }), { salts: 1, values: 1 });
  assert.deepEqual(await erase({ user: "u-robot" }), { salts: 1, values: 1 });
  assert.deepEqual(await erase({ event: "one" }), { salts: 1, values: 1 });
  assert.deepEqual(await left(), [5]);
  assert.deepEqual(await events.read("default", 0, 100), before);
  await assert.rejects(() => erase({}), /Expected an event, an agent or a user/);
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
