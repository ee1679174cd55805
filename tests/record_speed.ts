/** The audit record under very many events: verified and appended at speed, and whole afterwards. */
import assert from "node:assert/strict";
import { verifyChain } from "../audit/verify.ts";
import { createAuditEvents } from "../store/audit_events.ts";
import { type Database, openDatabase } from "../store/database.ts";
import { createInstallation } from "../store/installation.ts";
import {
  chainReader,
  figuresText,
  measureAllowLatency,
  measureAppends,
  measureVerify,
  type SpeedFigures,
  type SpeedPlace,
} from "./bench/audit_speed.ts";
import type { DatabaseFixture } from "./integration/databases.ts";
import type { PostgresCluster } from "./integration/postgres_cluster.ts";
import { makeWholeChain, type WholeChain } from "./whole_chain.ts";

const TIMEOUT_MS = 120_000;

/**
 * Fills a chain and verifies it from the first event; again, up to `times`, until the figures are `good`, because other programs
 * on the machine can only make it slower.
 */
export async function verifyMany(
  fixture: DatabaseFixture,
  cluster: PostgresCluster,
  events: number,
  { times, good }: { readonly times: number; readonly good: (figures: SpeedFigures) => boolean } = {
    times: 1,
    good: () => true,
  },
): Promise<SpeedFigures> {
  const database = await fixture.migrated(TIMEOUT_MS);
  const { logId } = await createInstallation(database).readInstallation();
  const superuserUrl = fixture.superuserUrl ?? assert.fail();
  const chain = await makeWholeChain({ superuserUrl, owner: await fixture.owner(), logId, events });
  for (let time = 1;; time++) {
    const figures = await verifyOnce(database, { logId, databasePid: cluster.pid() }, chain, events);
    if (time === times || good(figures)) return figures;
  }
}

async function verifyOnce(
  database: Database,
  place: SpeedPlace,
  chain: WholeChain,
  events: number,
): Promise<SpeedFigures> {
  const steps: number[] = [];
  const measured = await measureVerify(place, database, chain, (seq, last) => {
    assert.equal(last, events);
    steps.push(seq);
  });
  console.log(figuresText("verified", measured));
  const { report } = measured;
  assert.equal(report.verdict, "verified", JSON.stringify(report));
  assert.deepEqual([report.events, report.checkpoint?.size, report.open], [events, events, 0]);
  assert.ok(steps.length >= events / 2_000 && steps.at(-1) === events, `${steps.length} steps of progress`);
  assert.deepEqual(steps, steps.toSorted((a, b) => a - b));
  return measured;
}

/** Several replicas append to one chain at once; afterwards every event is there, and every allow has its outcome. */
export async function appendMany(
  fixture: DatabaseFixture,
  cluster: PostgresCluster,
  plan: { readonly writers: number; readonly callsPerWriter: number; readonly underWay: number },
): Promise<SpeedFigures> {
  const database = await fixture.migrated(TIMEOUT_MS);
  const { logId } = await createInstallation(database).readInstallation();
  const place = { logId, databasePid: cluster.pid() };
  const writers: Database[] = [];
  try {
    const { dataDir, databaseUrl = assert.fail() } = fixture;
    for (let number = 0; number < plan.writers; number++) {
      writers.push(await openDatabase({ dataDir, timeoutMs: TIMEOUT_MS, databaseUrl }));
    }
    // Until connections are open and statements are prepared.
    await measureAllowLatency(place, database, { ratePerSecond: 200, allows: 100, firstCall: 1e9 });
    const before = await createAuditEvents(database).head("default");
    const figures = await measureAppends(place, { ...plan, writers });
    console.log(figuresText("appended", figures));
    const head = await createAuditEvents(database).head("default");
    assert.equal((head?.seq ?? 0) - (before?.seq ?? 0), figures.events);
    const report = await verifyChain(chainReader(database), {
      ...{ chain: "default", logId, origin: "nobody.example/default", keys: [], nowMs: () => Date.now() },
    });
    // Nobody has signed it, so this is as far as it goes: all that can be recomputed was found whole.
    assert.equal(report.reason, "no checkpoint has been signed yet", JSON.stringify(report));
    assert.deepEqual([report.events, report.open], [head?.seq, 0]);
    return figures;
  } finally {
    for (const writer of writers) await writer.close();
  }
}
