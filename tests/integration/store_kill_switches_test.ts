import assert from "node:assert/strict";
import { createKillSwitches, type NewKillSwitch } from "../../store/kill_switches.ts";
import { createRevocationFeedTable } from "../../store/revocation_feed.ts";
import { createRevocations } from "../../store/revocations.ts";
import { createDatabaseTests } from "./databases.ts";

const { test } = createDatabaseTests();
const by = { reason: "r", operator: "o" };

test("kill switches, releases and revocations share one order, and come back as they went in", async (fixture) => {
  const database = await fixture.migrated();
  const switches = createKillSwitches(database);
  const feed = createRevocationFeedTable(database);
  const rows: NewKillSwitch[] = [
    { scope: "all", ...by },
    { scope: "tenant", tenant: "default", ...by },
    { scope: "upstream", value: "erp", ...by },
    { scope: "upstream", tenant: "default", value: "erp", ...by },
    { scope: "agent", tenant: "default", value: "bot", ...by },
  ];
  for (const row of rows) await database.transact((tx) => switches.engage(tx, row));
  const revocation = { tenant: "default", kind: "block", value: "b", ...by } as const;
  assert.equal(await database.transact((tx) => createRevocations(database).insert(tx, revocation)), 6);
  assert.equal(await database.transact((tx) => switches.release(tx, 1, by)), 7);
  const stored = await feed.readAfter(0, 10);
  assert.deepEqual(stored.map(({ createdAt: _, ...row }) => row), [
    ...rows.map((row, index) => ({ number: index + 1, effect: "engage", ...row })),
    { number: 6, effect: "revoke", ...revocation },
    { number: 7, effect: "release", releases: 1, ...by },
  ]);
  assert.deepEqual((await feed.readAfter(4, 2)).map((row) => row.number), [5, 6]);
  assert.deepEqual((await switches.engaged(0, 10)).map((row) => row.number), [2, 3, 4, 5]);
  assert.deepEqual((await switches.engaged(2, 2)).map((row) => row.number), [3, 4]);
  assert.deepEqual((await switches.engaged(0, 10, ["other"])).map((row) => row.number), [3]);
  assert.equal(await switches.findEngaged(1), undefined);
  assert.equal((await switches.findEngaged(5))?.value, "bot");
});

test("only an engaged kill switch can be released, once; a revocation never", async (fixture) => {
  const database = await fixture.migrated();
  const { sql } = await fixture.owner();
  const switches = createKillSwitches(database);
  const feed = createRevocationFeedTable(database);
  const revocation = { tenant: "default", kind: "tenant", ...by } as const;
  const revoked = await database.transact((tx) => createRevocations(database).insert(tx, revocation));
  const engaged = await database.transact((tx) => switches.engage(tx, { scope: "all", ...by }));
  for (const number of [revoked, 99]) {
    assert.equal(await database.transact((tx) => switches.release(tx, number, by)), undefined);
  }
  const both = await Promise.all(
    [1, 2].map(() => database.transact((tx) => switches.release(tx, engaged, by))),
  );
  assert.equal(both.filter((number) => number !== undefined).length, 1);
  assert.equal(await feed.readCounter(), 3, "a refused release takes no number");
  await assert.rejects(
    sql`INSERT INTO kill_switch_releases (number, kill_switch, reason, operator) VALUES (9, ${revoked}, 'r', 'o')`,
    /foreign key/,
  );
  const bad: NewKillSwitch[] = [
    { scope: "all", tenant: "default", ...by },
    { scope: "tenant", ...by },
    { scope: "tenant", tenant: "nobody", ...by },
    { scope: "tenant", tenant: "default", value: "x", ...by },
    { scope: "upstream", tenant: "default", ...by },
    { scope: "agent", value: "bot", ...by },
  ];
  for (const row of bad) {
    await assert.rejects(
      database.transact((tx) => switches.engage(tx, row)),
      /violates/,
      JSON.stringify(row),
    );
  }
});
