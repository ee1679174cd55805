/** The searches of tests/integration over ten million events. */
import assert from "node:assert/strict";
import { createDatabaseTests } from "../integration/databases.ts";
import { measure, prepare, searchCases, tableOf } from "../search_plans.ts";

const { testPostgres } = createDatabaseTests();

const EVENTS = 10_000_000;
const MAX_DATABASE_P95_MS = 200;
/** Every further segment of 4,096 events is a row for each term that is asked for, if it has the term. */
const MAX_PAGES = 16_000;
const MAX_STATEMENTS = 40;

testPostgres(
  "search over ten million events reads no table as a whole and stays within its bounds",
  async (fixture) => {
    const database = await fixture.migrated(120_000);
    const owner = await fixture.owner();
    const took = await prepare(owner, database, EVENTS);
    const rows = [];
    for (const one of await searchCases(owner, EVENTS)) rows.push(await measure(database, one));
    console.log(
      `made in ${took.makeSeconds.toFixed(0)} s, indexed in ${took.indexSeconds.toFixed(0)} s\n${
        tableOf(rows)
      }`,
    );
    for (const { name, pages, statements, databaseP95Ms } of rows) {
      assert.ok(pages <= MAX_PAGES, `${name}: ${pages} pages`);
      assert.ok(statements <= MAX_STATEMENTS, `${name}: ${statements} statements`);
      assert.ok(databaseP95Ms <= MAX_DATABASE_P95_MS, `${name}: ${databaseP95Ms} ms in the database`);
    }
  },
);
