import assert from "node:assert/strict";
import type { GatewayError } from "../../core/errors.ts";
import { MIGRATIONS } from "../../migrations/migrations.ts";
import { createInstallation } from "../../store/installation.ts";
import { migrate } from "../../store/migration_runner.ts";
import { createDatabaseTests } from "./databases.ts";

const { test, testPostgres } = createDatabaseTests();
const names = MIGRATIONS.map((migration) => migration.name);

Deno.test("MIGRATIONS are numbered from 1 without gaps and named after their files", async () => {
  const folder = new URL("../../migrations/", import.meta.url);
  const files: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.endsWith(".sql")) files.push(entry.name.replace(/\.sql$/, ""));
  }
  assert.deepEqual(names, files.sort());
  MIGRATIONS.forEach((migration, index) => {
    assert.equal(migration.number, index + 1);
    assert.equal(Number(migration.name.slice(0, 4)), migration.number);
  });
});

test("migrate() applies everything once and then nothing", async (fixture) => {
  const database = await fixture.open();
  assert.deepEqual(await migrate(database), { applied: names, number: MIGRATIONS.length });
  const before = await createInstallation(database).readInstallation();
  assert.deepEqual(await migrate(database), { applied: [], number: MIGRATIONS.length });
  assert.deepEqual(await createInstallation(database).readInstallation(), before);
  assert.match(before.logId, /^[A-Za-z0-9_-]{22}$/);
  assert.equal(before.settingsVersion, 1);
});

testPostgres("migrate() may run in several processes at once", async (fixture) => {
  const databases = await Promise.all([1, 2, 3, 4].map(() => fixture.open()));
  const results = await Promise.all(databases.map((database) => migrate(database)));
  assert.deepEqual(results.flatMap((result) => result.applied).sort(), names);
});

test("migrate() refuses a database that is newer", async (fixture) => {
  const database = await fixture.migrated();
  await database.sql`INSERT INTO schema_migrations (number, name, sha256) VALUES (9999, '9999_future', 'x')`;
  await assert.rejects(migrate(database), (error: GatewayError) => {
    assert.equal(error.code, "database_newer");
    assert.match(error.message, /"9999_future"/);
    return true;
  });
});

test("migrate() refuses an applied migration that was changed", async (fixture) => {
  const database = await fixture.migrated();
  const changed = MIGRATIONS.map((migration) => ({ ...migration, sql: `${migration.sql}\n-- changed` }));
  await assert.rejects(migrate(database, changed), /"0001_core" was applied with SHA-256/);
});

test("migrate() leaves nothing of a migration that fails", async (fixture) => {
  const database = await fixture.migrated();
  const broken = {
    number: 3,
    name: "0003_broken",
    sql: "CREATE TABLE half (a int); SELECT no_such_function()",
  };
  const next = MIGRATIONS.length + 1;
  await assert.rejects(
    migrate(database, [...MIGRATIONS, { ...broken, number: next }]),
    /Cannot apply the migration "0003_broken": function no_such_function\(\) does not exist/,
  );
  const [row] = await database.sql<{ half: string | null }[]>`SELECT to_regclass('half') AS half`;
  assert.equal(row?.half, null);
  assert.deepEqual((await migrate(database)).applied, []);
});
