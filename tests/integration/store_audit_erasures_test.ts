/** Erasures in steps: exact counts whatever ends in between, one event at the end, and a chain that stays as it was. */
import assert from "node:assert/strict";
import { createErasures, type Erasures } from "../../audit/erasures.ts";
import type { AuditEntry } from "../../core/audit_entry.ts";
import type { JsonObject } from "../../core/json.ts";
import { createAuditActions } from "../../store/audit_actions.ts";
import { createAuditErasures } from "../../store/audit_erasures.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import { createAuditValues } from "../../store/audit_values.ts";
import type { Database } from "../../store/database.ts";
import { createDatabaseTests } from "./databases.ts";

const { test, testPostgres } = createDatabaseTests();
const SALT = new Uint8Array(32).fill(7);
const CONFIRMER = { role: "admin", source_ip: "192.0.2.1" };

function entry(agent: string, text?: string, more: Partial<AuditEntry> = {}): AuditEntry {
  const canonical = JSON.stringify({ actor: { app_uid: agent, user: { uid: `u-${agent}` } } });
  return {
    ...{ chain: "default", eventId: crypto.randomUUID(), canonical, salt: SALT, conditions: [] },
    ...(text === undefined ? {} : { values: { arguments: text } }),
    ...more,
  };
}

async function append(database: Database, entries: readonly AuditEntry[]): Promise<void> {
  const events = createAuditEvents(database);
  for (let at = 0; at < entries.length; at += 64) await events.append(entries.slice(at, at + 64));
}

/** Asks for an erasure and confirms it; nothing has gone then. */
async function begun(database: Database, details: JsonObject, id: string = crypto.randomUUID()) {
  const [actions, erasures] = [createAuditActions(database), createAuditErasures(database)];
  const asked = { id, chain: "default", kind: "erase" as const, details, requestSeq: 1 };
  await database.transact((tx) =>
    actions.request(tx, { ...asked, requestedBy: "alice", ttlSeconds: 60, most: 100 })
  );
  await database.transact(async (tx) => {
    assert.equal(await actions.confirm(tx, id, "bob"), true);
    await erasures.begin(tx, id, CONFIRMER);
  });
  return id;
}

const stepOf = (database: Database, id: string, most: number) =>
  database.transact((tx) => createAuditErasures(database).step(tx, id, most));

/** All of an erasure, in steps of two events. */
async function erased(database: Database, details: JsonObject) {
  const id = await begun(database, details);
  for (;;) {
    const { seq, last, salts, values } = await stepOf(database, id, 2) ?? assert.fail();
    if (seq === last) return { salts, values };
  }
}

/** Goes on with what was begun, as one process does, at most 100 events a step. */
function processOn(
  database: Database,
  onError: (error: unknown) => void = (error) => assert.fail(String(error)),
) {
  const [erasures, events] = [createAuditErasures(database), createAuditEvents(database)];
  const steps: number[] = [];
  const carrier: Erasures = createErasures({
    source: { logId: "log", version: "0", replicaId: "r", configDigest: "c" },
    ...{ settingsVersion: () => 1, newId: () => crypto.randomUUID(), nowMs: () => Date.now() },
    steadyMs: () => performance.now(),
    store: {
      unfinished: () => erasures.unfinished(10),
      step: async (tx, id, most) => {
        const step = await erasures.step(tx, id, Math.min(most, 100));
        if (step !== undefined) steps.push(step.seq);
        return step;
      },
      transact: (work) => database.transact(work),
      appendIn: (tx, entries) => events.appendIn(tx, entries),
    },
    onError: (_, error) => onError(error),
  });
  return { ...carrier, goOn: () => carrier.goOn(), close: () => carrier.close(), steps };
}

/** The `audit.erased` events of the chain. */
async function endsOf(database: Database) {
  const rows = await createAuditEvents(database).read("default", 0, 10_000);
  return rows.filter(({ canonical }) => canonical.includes('"audit.erased"'))
    .map(({ canonical }) => JSON.parse(canonical));
}

test("erasing takes salts and texts of an agent, a user or an event, and leaves the chain as it was", async (fixture) => {
  const database = await fixture.migrated();
  const [events, values] = [createAuditEvents(database), createAuditValues(database)];
  const odd = 'agent "with" \\ and é \u0001';
  await append(database, [
    ...["bot", odd, "bot", "robot", "bot2"].map((agent) => entry(agent, agent)),
    entry("else", '"app_uid":"bot"', { eventId: "one" }),
  ]);
  const before = await events.read("default", 0, 100);
  const left = async () =>
    (await values.read("default", [1, 2, 3, 4, 5, 6])).map(({ seq }) => seq).toSorted((a, b) => a - b);
  assert.deepEqual(await erased(database, { agent: "bot", to_time: 1 }), { salts: 0, values: 0 });
  assert.deepEqual(await erased(database, { agent: "bot", from_time: 4e9 }), { salts: 0, values: 0 });
  assert.deepEqual(await erased(database, { agent: "bot", from_time: 1 }), { salts: 2, values: 2 });
  assert.deepEqual(await left(), [2, 4, 5, 6]);
  assert.deepEqual(await erased(database, { agent: odd }), { salts: 1, values: 1 });
  assert.deepEqual(await erased(database, { user: "u-robot" }), { salts: 1, values: 1 });
  assert.deepEqual(await erased(database, { event: "one" }), { salts: 1, values: 1 });
  assert.deepEqual(await left(), [5]);
  assert.deepEqual(await events.read("default", 0, 100), before);
  await assert.rejects(() => erased(database, {}), /Expected an event, an agent or a user/);
});

test("an erasure looks at the events that were there when it was confirmed, one event at once, and ends once", async (fixture) => {
  const database = await fixture.migrated();
  await append(
    database,
    Array.from({ length: 10 }, (_, at) => entry("bot", "x", { eventId: `event-${at}` })),
  );
  const id = await begun(database, { agent: "bot" });
  await append(database, [entry("bot", "later")]);
  const steps = [];
  for (let step; (step = await stepOf(database, id, 4)) !== undefined;) steps.push(step);
  assert.deepEqual(steps.map(({ seq, last, salts, values }) => [seq, last, salts, values]), [
    ...[[4, 10, 4, 4], [8, 10, 8, 8], [10, 10, 10, 10]],
  ]);
  assert.deepEqual([steps[0]?.confirmedBy, steps[0]?.confirmer, steps[0]?.chain], [
    "bob",
    CONFIRMER,
    "default",
  ]);
  assert.equal(await stepOf(database, id, 4), undefined, "it has ended");
  assert.deepEqual((await createAuditValues(database).read("default", [10, 11])).map(({ seq }) => seq), [11]);
  const one = await begun(database, { event: "event-3" });
  assert.equal((await stepOf(database, one, 1))?.seq, 11, "the index finds it in one step");
});

test("an erasure that ends half-way is carried on by the next process, counts what went once, and is recorded once", async (fixture) => {
  const database = await fixture.migrated();
  await append(
    database,
    Array.from({ length: 1_000 }, (_, at) => entry(at % 3 === 0 ? "bot" : "other", "x")),
  );
  const actions = createAuditActions(database);
  const id = await begun(database, { agent: "bot" });
  await stepOf(database, id, 300);
  // A step whose process dies before it commits has not been.
  await assert.rejects(() =>
    database.transact(async (tx) => {
      assert.equal((await createAuditErasures(database).step(tx, id, 300))?.seq, 600);
      throw new Error("killed");
    }), /killed/);
  const [waiting] = await actions.pending("", 10, ["default"]);
  assert.deepEqual(
    [waiting?.id, waiting?.confirmedBy, waiting?.erasing],
    [id, "bob", { seq: 300, last: 1_000, salts: 100, values: 100 }],
  );
  assert.deepEqual(await endsOf(database), [], "the chain does not say yet that it has ended");
  const [first, second] = [processOn(database), processOn(database)];
  await Promise.all([first.goOn(), second.goOn()]);
  await Promise.all([first.goOn(), second.goOn()]); // what one found the other at
  const seen = [...first.steps, ...second.steps].toSorted((a, b) => a - b);
  assert.deepEqual(seen, [400, 500, 600, 700, 800, 900, 1_000], "no event is looked at twice");
  const [end, ...more] = await endsOf(database);
  assert.deepEqual(more, []);
  assert.deepEqual(end.entity.data, { agent: "bot", last: 1_000, request: id, salts: 334, values: 334 });
  assert.deepEqual([end.unmapped.operator, end.src_endpoint.ip], [
    { how: "token", id: "bob", role: "admin" },
    "192.0.2.1",
  ]);
  const left = await database.read(
    "default",
    (sql) =>
      sql`SELECT FROM audit_salts s JOIN audit_events e USING (chain, seq) WHERE e.event LIKE '%"bot"%'`,
  );
  assert.equal(left.length, 0);
  assert.deepEqual(await actions.pending("", 10), []);
  await first.goOn();
  assert.equal((await endsOf(database)).length, 1, "running it again changes nothing");
  await Promise.all([first.close(), second.close()]);
});

testPostgres(
  "nothing is erased that two operators have not confirmed, and no erasure goes back",
  async (fixture) => {
    const database = await fixture.migrated();
    await append(database, [entry("bot", "x")]);
    const [actions, erasures] = [createAuditActions(database), createAuditErasures(database)];
    const asked = {
      id: "a",
      chain: "default",
      kind: "erase" as const,
      details: { agent: "bot" },
      requestSeq: 1,
    };
    await database.transact((tx) =>
      actions.request(tx, { ...asked, requestedBy: "alice", ttlSeconds: 60, most: 100 })
    );
    await assert.rejects(() => database.transact((tx) => erasures.begin(tx, "a", CONFIRMER)), /two persons/);
    assert.equal(await stepOf(database, "a", 10), undefined);
    const id = await begun(database, { agent: "bot" });
    const { sql } = await fixture.owner();
    await assert.rejects(() => sql`DELETE FROM audit_erasures`, /only ever added/);
    await assert.rejects(() => sql`UPDATE audit_erasures SET last_seq = 9`, /only goes forward/);
    await stepOf(database, id, 10);
    await assert.rejects(() => sql`UPDATE audit_erasures SET done_seq = 0`, /only goes forward/);
    await assert.rejects(() => database.sql`UPDATE audit_erasures SET salts = 9`, /permission denied/);
  },
);
