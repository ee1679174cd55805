/** An erasure from a chain of a million events: how long it takes, how long one step does, and what an allow waits meanwhile. */
import assert from "node:assert/strict";
import { loadavg } from "node:os";
import postgres from "postgres";
import { createErasures, type Erasures } from "../../audit/erasures.ts";
import { createAuditActions } from "../../store/audit_actions.ts";
import { createAuditErasures } from "../../store/audit_erasures.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import type { Database } from "../../store/database.ts";
import { createInstallation } from "../../store/installation.ts";
import { measureAllowLatency } from "../bench/audit_speed.ts";
import { createDatabaseTests } from "../integration/databases.ts";
import { makeWholeChain } from "../whole_chain.ts";

const { testPostgres } = createDatabaseTests();
const EVENTS = 1_000_000;
const TIMEOUT_MS = 600_000;
const AGENT = "agent-7";
const OF_AGENT = `%"app_uid":"${AGENT}"%`;
/** Half of the time the erasure rests; on two busy cores it took 14 s. */
const MAX_SECONDS = 180;
/** The transaction of a step may take 15 s. */
const MAX_STEP_MS = 5_000;

/** Salts and texts beside all events, or all decisions; returns of how many events the agent is. */
async function fillBeside(superuser: postgres.Sql): Promise<number> {
  await superuser`
    INSERT INTO audit_salts (chain, seq, salt) SELECT chain, seq, sha256(seq::text::bytea) FROM audit_events`;
  await superuser`
    INSERT INTO audit_values (chain, seq, field, value)
    SELECT chain, seq, 'arguments', repeat('x', 200) FROM audit_events WHERE event LIKE '%"call.decided"%'`;
  await superuser.unsafe("ANALYZE audit_salts; ANALYZE audit_values");
  const [row] = await superuser<{ count: string }[]>`
    SELECT count(*) FROM audit_events WHERE event LIKE ${OF_AGENT}`;
  return Number(row?.count);
}

async function confirmed(database: Database): Promise<void> {
  const [actions, erasures] = [createAuditActions(database), createAuditErasures(database)];
  const action = { id: "erase", chain: "default", kind: "erase" as const, details: { agent: AGENT } };
  await database.transact((tx) =>
    actions.request(tx, { ...action, requestedBy: "alice", requestSeq: 1, ttlSeconds: 60, most: 100 })
  );
  await database.transact(async (tx) => {
    assert.equal(await actions.confirm(tx, action.id, "bob"), true);
    await erasures.begin(tx, action.id, { role: "admin", source_ip: "192.0.2.1" });
  });
}

/** What goes on with it, and how long its steps took. */
function carrier(database: Database, logId: string) {
  const [erasures, events] = [createAuditErasures(database), createAuditEvents(database)];
  const stepsMs: number[] = [];
  const carried: Erasures = createErasures({
    source: { logId, version: "0", replicaId: "r", configDigest: "c" },
    ...{ settingsVersion: () => 1, newId: () => crypto.randomUUID(), nowMs: () => Date.now() },
    steadyMs: () => performance.now(),
    store: {
      unfinished: () => erasures.unfinished(10),
      step: async (tx, id, most) => {
        const startedMs = performance.now();
        const step = await erasures.step(tx, id, most);
        stepsMs.push(performance.now() - startedMs);
        return step;
      },
      transact: (work) => database.transact(work),
      appendIn: (tx, entries) => events.appendIn(tx, entries),
    },
    onError: (_, error) => assert.fail(String(error)),
  });
  return { carried, stepsMs };
}

/** What is left where something had to go, how many events say that it went, and what had to stay. */
async function left(superuser: postgres.Sql, erased: number) {
  const [row] = await superuser<{ salts: string; texts: string; ends: string; kept: string }[]>`
    SELECT
      (SELECT count(*) FROM audit_salts s JOIN audit_events e USING (chain, seq)
        WHERE seq <= ${EVENTS} AND e.event LIKE ${OF_AGENT}) AS salts,
      (SELECT count(*) FROM audit_values v JOIN audit_events e USING (chain, seq)
        WHERE e.event LIKE ${OF_AGENT}) AS texts,
      (SELECT count(*) FROM audit_events
        WHERE seq > ${EVENTS} AND event LIKE ${`%"salts":${erased},%"audit.erased"%`}) AS ends,
      (SELECT count(*) FROM audit_salts WHERE seq <= ${EVENTS}) AS kept`;
  return row;
}

testPostgres(
  "an erasure from a million events ends, in short steps, and calls go on",
  async (fixture, cluster) => {
    const database = await fixture.migrated(TIMEOUT_MS);
    const { logId } = await createInstallation(database).readInstallation();
    const superuserUrl = fixture.superuserUrl ?? assert.fail();
    await makeWholeChain({ superuserUrl, owner: await fixture.owner(), logId, events: EVENTS });
    const superuser = postgres(superuserUrl, { max: 1, onnotice: () => {} });
    const ofAgent = await fillBeside(superuser);
    assert.ok(ofAgent > 1_000, `${ofAgent}`);
    await confirmed(database);

    const { carried, stepsMs } = carrier(database, logId);
    const place = { logId, databasePid: cluster.pid() };
    const load = { ratePerSecond: 50, allows: 500 };
    const before = await measureAllowLatency(place, database, { ...load, firstCall: 1e9 });
    const startedMs = performance.now();
    const [tookMs, during] = await Promise.all([
      carried.goOn().then(() => performance.now() - startedMs),
      measureAllowLatency(place, database, { ...load, firstCall: 2e9 }),
    ]);
    const [workedMs, longestMs] = [stepsMs.reduce((sum, ms) => sum + ms, 0), Math.max(...stepsMs)];
    const waited = ({ p50Ms, p99Ms }: typeof before) =>
      `p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`;
    console.log(
      `erased from ${EVENTS} events in ${(tookMs / 1000).toFixed(1)} s, ${
        (workedMs / 1000).toFixed(1)
      } s of them in ` +
        `${stepsMs.length} steps, the longest ${longestMs.toFixed(0)} ms; an allow waited ${
          waited(during)
        }, before ` +
        `${waited(before)}; load average ${loadavg()[0]?.toFixed(1)}`,
    );
    assert.deepEqual(await left(superuser, ofAgent), {
      ...{ salts: "0", texts: "0", ends: "1", kept: String(EVENTS - ofAgent) },
    });
    assert.ok(longestMs <= MAX_STEP_MS, `${longestMs} ms`);
    assert.ok(tookMs <= MAX_SECONDS * 1000, `${tookMs} ms`);
    await carried.close();
    await superuser.end();
  },
);
