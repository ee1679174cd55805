import assert from "node:assert/strict";
import { createOperators, type NewOperator } from "../../store/operators.ts";
import { raiseSettingsVersion, readSettingsVersion, SETTINGS_CHANNEL } from "../../store/settings.ts";
import { createTenants } from "../../store/tenants.ts";
import { createDatabaseTests } from "./databases.ts";

const { test } = createDatabaseTests();

const digest = (n: number) => new Uint8Array(32).fill(n);

function operator(id: string, n: number, more: Partial<NewOperator> = {}): NewOperator {
  const base = { id, role: "viewer", tenants: "*", ttlSeconds: 600, createdBy: "root" } as const;
  return { ...base, tokenSha256: digest(n), ...more };
}

test("an operator's token is found until it is disabled or expires, and then the id may get another", async (fixture) => {
  const database = await fixture.migrated();
  const operators = createOperators(database);
  const insert = (row: NewOperator) => database.transact((tx) => operators.insert(tx, row));
  const expiresAt = await insert(operator("alice", 1, { role: "operator", tenants: ["acme", "default"] }));
  assert.ok(Math.abs((expiresAt ?? 0) - Date.now() / 1000 - 600) < 30);
  assert.ok(Number.isInteger(expiresAt));
  const alice = { id: "alice", role: "operator", tenants: ["acme", "default"] };
  assert.deepEqual(await operators.find(digest(1)), alice);
  assert.equal(await operators.find(digest(2)), undefined);
  assert.equal(await insert(operator("alice", 2)), undefined, "her token is still valid");
  assert.equal(await operators.find(digest(2)), undefined);
  await insert(operator("bob", 3, { ttlSeconds: -5 }));
  assert.equal(await operators.find(digest(3)), undefined, "expired");
  assert.equal(await database.transact((tx) => operators.disable(tx, "alice")), true);
  assert.equal(await database.transact((tx) => operators.disable(tx, "alice")), false);
  assert.equal(await database.transact((tx) => operators.disable(tx, "nobody")), false);
  assert.equal(await operators.find(digest(1)), undefined, "disabled");
  assert.notEqual(await insert(operator("alice", 4)), undefined);
  assert.notEqual(await insert(operator("bob", 5)), undefined);
  assert.deepEqual(await operators.find(digest(4)), { id: "alice", role: "viewer", tenants: "*" });
  assert.equal(await operators.find(digest(1)), undefined, "the old token stays dead");
  const [first] = await operators.list("", 1);
  assert.deepEqual([first?.id, first?.tenants, first?.disabledAt, first?.createdBy], [
    ...["alice", "*", undefined, "root"],
  ]);
  assert.deepEqual((await operators.list("alice", 10)).map((row) => row.id), ["bob"]);
});

test("the database itself refuses operators that must not exist", async (fixture) => {
  const database = await fixture.migrated();
  const operators = createOperators(database);
  const insert = (row: NewOperator) => database.transact((tx) => operators.insert(tx, row));
  await insert(operator("alice", 1));
  await assert.rejects(insert(operator("bob", 1)), /duplicate key/, "one token is one operator's");
  await assert.rejects(insert(operator("root", 2)), /check constraint/);
  await assert.rejects(insert(operator("Bob", 2)), /check constraint/);
  await assert.rejects(insert(operator("bob", 2, { tenants: [] })), /check constraint/);
  await assert.rejects(insert(operator("bob", 2, { role: "owner" as "admin" })), /check constraint/);
  await assert.rejects(insert(operator("bob", 2, { tokenSha256: new Uint8Array(31) })), /check constraint/);
});

test("settings of tenants have versions, and every change is announced", async (fixture) => {
  const database = await fixture.migrated();
  const tenants = createTenants(database);
  const announced: string[] = [];
  await database.listen(SETTINGS_CHANNEL, (payload) => announced.push(payload), () => {});
  assert.equal(await readSettingsVersion(database), 1);
  const acme = await database.transact((tx) => tenants.create(tx, "acme", { description: "A" }));
  assert.deepEqual([acme?.version, acme?.settings], [2, { description: "A" }]);
  assert.equal(await database.transact((tx) => tenants.create(tx, "acme", {})), undefined);
  const changed = await database.transact((tx) => tenants.update(tx, "acme", 2, { description: "B" }));
  assert.deepEqual([changed?.version, changed?.createdAt], [3, acme?.createdAt]);
  await assert.rejects(
    database.transact(async (tx) => {
      assert.equal(await tenants.update(tx, "acme", 2, { description: "C" }), undefined);
      throw new RangeError("stale");
    }),
    RangeError,
  );
  assert.deepEqual(await tenants.find("acme"), changed);
  assert.equal(await tenants.find("nobody"), undefined);
  assert.equal(await readSettingsVersion(database), 3, "what is refused takes no version");
  assert.deepEqual((await tenants.page("", 10)).map((row) => [row.name, row.version]), [
    ["acme", 3],
    ["default", 1],
  ]);
  assert.deepEqual((await tenants.page("", 10, ["default", "nobody"])).map((row) => row.name), ["default"]);
  assert.deepEqual((await tenants.page("acme", 1)).map((row) => row.name), ["default"]);
  const known = await database.transact((tx) => tenants.known(tx, ["acme", "nobody"]));
  assert.deepEqual(known, ["acme"]);
  for (let waited = 0; announced.length < 2 && waited < 5_000; waited += 10) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.deepEqual(announced, ["2", "3"]);
});

test("changes of settings at the same time wait for each other and never dead-lock", async (fixture) => {
  const database = await fixture.migrated();
  const tenants = createTenants(database);
  const names = ["a", "b", "c", "d", "a", "b", "c", "d"];
  const made = await Promise.all(names.map((name) => database.transact((tx) => tenants.ensure(tx, name))));
  assert.equal(made.filter((isNew) => isNew).length, 4);
  const before = await readSettingsVersion(database);
  const rows = await tenants.page("", 10, names);
  assert.equal(rows.length, 4);
  // Each of them twice, from the same version: one wins, the other finds nothing to change.
  const changes = await Promise.all(
    [...rows, ...rows.toReversed()].map(({ name, version }) =>
      database.transact((tx) => tenants.update(tx, name, version, { description: name }))
    ),
  );
  assert.equal(changes.filter((row) => row !== undefined).length, 4);
  assert.equal(await database.transact(raiseSettingsVersion), before + 9);
});
