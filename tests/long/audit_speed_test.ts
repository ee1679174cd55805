/** What tests/integration/audit_speed_test.ts bounds in CPU time, in full size and on the clock. */
import assert from "node:assert/strict";
import { availableParallelism, loadavg } from "node:os";
import { figuresText } from "../bench/audit_speed.ts";
import { createDatabaseTests } from "../integration/databases.ts";
import { appendMany, verifyMany } from "../record_speed.ts";

const { testPostgres } = createDatabaseTests();

const VERIFY_EVENTS = 1_000_000;
const MAX_VERIFY_SECONDS = 30;
const MIN_APPENDS_PER_SECOND = 20_000;

/** How many times longer everything takes because of what else ran on the machine before; 1 when it was at rest. */
function busyness(): number {
  return Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
}

testPostgres(
  "verify() goes through a million events in less than 30 seconds, and tells how far it is",
  async (fixture, cluster) => {
    const busy = busyness();
    const figures = await verifyMany(fixture, cluster, VERIFY_EVENTS);
    const bound = MAX_VERIFY_SECONDS * busy;
    assert.ok(figures.seconds < bound, `${figuresText("verified", figures)}; bound ${bound.toFixed(0)} s`);
  },
);

testPostgres(
  "four writers append 20,000 events a second to one tenant, and none is lost",
  async (fixture, cluster) => {
    const busy = busyness();
    const figures = await appendMany(fixture, cluster, { writers: 4, callsPerWriter: 25_000, underWay: 500 });
    const bound = MIN_APPENDS_PER_SECOND / busy;
    const perSecond = figures.events / figures.seconds;
    assert.ok(perSecond >= bound, `${figuresText("appended", figures)}; bound ${bound.toFixed(0)} a second`);
  },
);
