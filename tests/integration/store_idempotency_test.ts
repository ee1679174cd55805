/** Kept answers, on both databases: one transaction with their change, one key for one request, bounded, expiring. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import type { Database } from "../../store/database.ts";
import { createIdempotency, type IdempotencyTable, type OwnedKey } from "../../store/idempotency.ts";
import { createDatabaseTests } from "./databases.ts";

const { test, testPostgres } = createDatabaseTests();

const MOST = 3;
const alice = (key: string): OwnedKey => ({ operator: "alice", key });
const kept = (n: number) => ({ requestSha256: new Uint8Array(32).fill(n), sealed: `igi1.k1.answer${n}` });

/** Claims a key and keeps an answer, in one transaction. */
function keep(database: Database, table: IdempotencyTable, owned: OwnedKey, n: number, seconds = 60) {
  return database.transact(async (tx) => {
    const claim = await table.claim(tx, owned, MOST);
    if (claim.state === "free") await table.keep(tx, owned, kept(n), seconds);
    return claim;
  });
}

test("an answer is found until it expires, is forgotten or pruned, by its operator and key only", async (fixture) => {
  const database = await fixture.migrated();
  const table = createIdempotency(database);
  assert.deepEqual(await keep(database, table, alice("a"), 1), { state: "free" });
  const found = await table.find(alice("a"));
  assert.deepEqual([found?.sealed, [...found?.requestSha256 ?? []]], ["igi1.k1.answer1", Array(32).fill(1)]);
  const again = await keep(database, table, alice("a"), 2);
  assert.equal(again.state === "kept" && again.kept.sealed, "igi1.k1.answer1");
  for (const other of [alice("A"), alice("a "), { operator: "bob", key: "a" }]) {
    assert.equal(await table.find(other), undefined);
  }
  await keep(database, table, alice("short"), 3, 0);
  assert.equal(await table.find(alice("short")), undefined, "expired");
  assert.deepEqual(
    await keep(database, table, alice("short"), 4),
    { state: "free" },
    "and may be used again",
  );
  assert.equal((await table.find(alice("short")))?.sealed, "igi1.k1.answer4");
  await database.transact((tx) => table.forget(tx, "alice"));
  assert.equal(await table.find(alice("a")), undefined);
  for (let n = 0; n < 3; n++) await keep(database, table, { operator: "carol", key: `${n}` }, n, 0);
  await keep(database, table, { operator: "carol", key: "stays" }, 9);
  assert.deepEqual([await table.prune(2), await table.prune(2), await table.prune(2)], [2, 1, 0]);
  assert.equal((await table.find({ operator: "carol", key: "stays" }))?.sealed, "igi1.k1.answer9");
});

test("an operator has so many keys and no more, until one expires; others have theirs", async (fixture) => {
  const database = await fixture.migrated();
  const table = createIdempotency(database);
  for (let n = 0; n < MOST; n++) await keep(database, table, alice(`${n}`), n, 40 + n);
  const full = await keep(database, table, alice("more"), 9);
  assert.ok(full.state === "full" && full.retryAfterSeconds > 20 && full.retryAfterSeconds <= 40);
  assert.equal((await keep(database, table, alice("0"), 9)).state, "kept", "a known key is still answered");
  assert.equal((await keep(database, table, { operator: "bob", key: "more" }, 9)).state, "free");
});

test("answer and change are there together or not at all, whatever the order of requests", async (fixture) => {
  const database = await fixture.migrated();
  const table = createIdempotency(database);
  const step = fc.record({
    key: fc.constantFrom("a", "b", "c"),
    request: fc.nat(2),
    fails: fc.boolean(),
  });
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const operator = `op${round++}`;
      const model = new Map<string, number>();
      for (const { key, request, fails } of steps) {
        const owned = { operator, key };
        const work = database.transact(async (tx) => {
          const claim = await table.claim(tx, owned, MOST);
          if (claim.state !== "free") return claim;
          await table.keep(tx, owned, kept(request), 60);
          if (fails) throw new Error("after the answer was kept");
          return claim;
        });
        const known = model.get(key);
        if (known === undefined && fails) {
          await assert.rejects(work, /after the answer/);
          continue;
        }
        const claim = await work;
        assert.equal(claim.state, known === undefined ? "free" : "kept");
        if (claim.state === "kept") assert.equal(claim.kept.sealed, kept(known ?? -1).sealed);
        model.set(key, known ?? request);
      }
      for (const key of ["a", "b", "c"]) {
        const known = model.get(key);
        const sealed = known === undefined ? undefined : kept(known).sealed;
        assert.equal((await table.find({ operator, key }))?.sealed, sealed);
      }
    }),
    { numRuns: 20 },
  );
});

testPostgres("a key that another transaction has taken is in flight, and nobody waits", async (fixture) => {
  const database = await fixture.migrated();
  const table = createIdempotency(database);
  const taken = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const first = database.transact(async (tx) => {
    assert.deepEqual(await table.claim(tx, alice("k"), MOST), { state: "free" });
    await table.keep(tx, alice("k"), kept(1), 60);
    taken.resolve();
    await end.promise;
  });
  await taken.promise;
  assert.deepEqual(await keep(database, table, alice("k"), 2), { state: "in_flight" });
  assert.deepEqual(await keep(database, table, alice("l"), 2), { state: "free" }, "other keys are");
  assert.deepEqual(await keep(database, table, { operator: "bob", key: "k" }, 2), { state: "free" });
  assert.equal(await table.find(alice("k")), undefined);
  end.resolve();
  await first;
  assert.equal((await keep(database, table, alice("k"), 2)).state, "kept");
});

testPostgres("of many that come at once with one key exactly one makes the change", async (fixture) => {
  const database = await fixture.migrated();
  const table = createIdempotency(database);
  const claims = await Promise.all(
    Array.from({ length: 40 }, (_, n) => keep(database, table, alice("k"), n)),
  );
  const states = claims.map(({ state }) => state);
  assert.equal(states.filter((state) => state === "free").length, 1);
  assert.ok(states.every((state) => ["free", "kept", "in_flight"].includes(state)));
});
