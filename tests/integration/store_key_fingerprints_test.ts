import assert from "node:assert/strict";
import { createKeyFingerprints } from "../../store/key_fingerprints.ts";
import { createTokens } from "../../store/tokens.ts";
import { createDatabaseTests } from "./databases.ts";

const { test } = createDatabaseTests();
const [A, B, C] = ["a", "b", "c"].map((digit) => digit.repeat(32)) as [string, string, string];

test("fingerprints are registered once, by whoever comes first, and keys retire once", async (fixture) => {
  const database = await fixture.migrated();
  const table = createKeyFingerprints(database);
  const register = (...entries: [string, string][]) =>
    database.transact((tx) => table.register(tx, new Map(entries)));
  const key = (kid: string, fingerprint: string) => ({
    ...{ kid, fingerprint, activatedAt: undefined, retiredAt: undefined },
  });
  assert.deepEqual(await register(["k2", B], ["k1", A]), [key("k1", A), key("k2", B)]);
  assert.deepEqual(await register(["k1", C]), [key("k1", A), key("k2", B)]);
  const [one, two] = await Promise.all([register(["k3", A], ["k4", A]), register(["k4", B], ["k3", B])]);
  assert.equal(one[2]?.fingerprint, two[2]?.fingerprint);
  assert.equal(one[3]?.fingerprint, two[2]?.fingerprint);
  for (let again = 0; again < 2; again++) await database.transact((tx) => table.activate(tx, "k1"));
  assert.equal(await database.transact((tx) => table.retire(tx, "k1")), true);
  assert.equal(await database.transact((tx) => table.retire(tx, "k1")), false);
  assert.equal(await database.transact((tx) => table.retire(tx, "nobody's")), false);
  const [first, second] = await table.list();
  const now = Date.now() / 1000;
  assert.ok(Math.abs((first?.activatedAt ?? 0) - now) < 60 && Math.abs((first?.retiredAt ?? 0) - now) < 60);
  assert.deepEqual(second, key("k2", B));
  await assert.rejects(register(["k5", "AA"]), /check constraint/);
});

test("unexpiredTokens() counts by key", async (fixture) => {
  const database = await fixture.migrated();
  const tokens = createTokens(database);
  const now = Math.floor(Date.now() / 1000);
  const insert = (jti: string, kid: string, expiresAt: number) =>
    database.transact((tx) =>
      tokens.insert(tx, {
        ...{ tenant: "default", jti, kid, blockId: jti, agent: "a", operator: "root" },
        ...{ issuedAt: now - 100, expiresAt },
      })
    );
  await insert("1", "k1", now + 600);
  await insert("2", "k1", now + 600);
  await insert("3", "k1", now - 1);
  await insert("4", "k2", now + 600);
  await insert("5", "k3", now - 1);
  assert.deepEqual(
    [...await createKeyFingerprints(database).unexpiredTokens()].sort(),
    [["k1", 2], ["k2", 1]],
  );
});
