/** Search over a million events: no statement reads a table as a whole, and each search has a bound. */
import assert from "node:assert/strict";
import { measure, prepare, searchCases, tableOf } from "../search_plans.ts";
import { createDatabaseTests } from "./databases.ts";

const { testPostgres } = createDatabaseTests();

/** Not a multiple of a segment: the tail is as long as it gets before the next segment is full. */
const EVENTS = 1_000_000;
/** In the database, of all statements of one search. */
const MAX_DATABASE_P95_MS = 50;
/** From the question to the answer; where it ends by itself with what it has. The machine may have much else to do. */
const MAX_P95_MS = 1_000;
/** Neither depends on how busy the machine is. */
const MAX_PAGES = 2_000;
const MAX_STATEMENTS = 12;

testPostgres(
  "search over a million events reads no table as a whole and stays within its bounds",
  async (fixture) => {
    const database = await fixture.migrated(60_000);
    const owner = await fixture.owner();
    const took = await prepare(owner, database, EVENTS);
    const rows = [];
    for (const one of await searchCases(owner, EVENTS)) rows.push(await measure(database, one));
    console.log(
      `${EVENTS} events made in ${took.makeSeconds.toFixed(0)} s, indexed in ${
        took.indexSeconds.toFixed(0)
      } s`,
    );
    console.log(tableOf(rows));
    for (const { name, pages, statements, databaseP95Ms, p95Ms } of rows) {
      assert.ok(pages <= MAX_PAGES, `${name}: ${pages} pages`);
      assert.ok(statements <= MAX_STATEMENTS, `${name}: ${statements} statements`);
      assert.ok(databaseP95Ms <= MAX_DATABASE_P95_MS, `${name}: ${databaseP95Ms} ms in the database`);
      assert.ok(p95Ms <= MAX_P95_MS, `${name}: ${p95Ms} ms`);
    }
  },
);
