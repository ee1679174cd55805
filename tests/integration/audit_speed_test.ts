/**
 * How fast the record is written and verified. The bounds count CPU time, which other programs on the machine change much
 * less than time on the clock; that is bound in tests/long.
 */
import assert from "node:assert/strict";
import { figuresText, type SpeedFigures } from "../bench/audit_speed.ts";
import { appendMany, verifyMany } from "../record_speed.ts";
import { createDatabaseTests } from "./databases.ts";

const { testPostgres } = createDatabaseTests();

/** A million in 30 s of one core is 30. It takes 13 to 22; a busy machine makes everything dearer, so the best of some counts. */
const MAX_VERIFY_MICROS = 30;
/** On the other core at the same time. It takes 3 to 5. */
const MAX_VERIFY_DATABASE_MICROS = 15;
const VERIFY_TIMES = 4;
/** 20,000 a second on two cores are 100 together. */
const MAX_APPEND_MICROS = 100;

testPostgres(
  "verify() goes through 100,000 events at the pace of a million in 30 seconds, and tells how far it is",
  async (fixture, cluster) => {
    const good = ({ cpuMicros, databaseMicros }: SpeedFigures) =>
      cpuMicros <= MAX_VERIFY_MICROS && databaseMicros <= MAX_VERIFY_DATABASE_MICROS;
    const figures = await verifyMany(fixture, cluster, 100_000, { times: VERIFY_TIMES, good });
    assert.ok(good(figures), figuresText("verified", figures));
  },
);

testPostgres(
  "four writers append to one tenant at the pace of 20,000 events a second, none is lost",
  async (fixture, cluster) => {
    const figures = await appendMany(fixture, cluster, { writers: 4, callsPerWriter: 5_000, underWay: 500 });
    const together = figures.cpuMicros + figures.databaseMicros;
    assert.ok(together <= MAX_APPEND_MICROS, figuresText("appended", figures));
  },
);
