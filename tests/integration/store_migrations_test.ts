import assert from "node:assert/strict";
import type { GatewayError } from "../../core/errors.ts";
import { MIGRATIONS } from "../../migrations/migrations.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import { createInstallation } from "../../store/installation.ts";
import { openDatabase } from "../../store/database.ts";
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
  await (await fixture.owner())
    .sql`INSERT INTO schema_migrations (number, name, sha256) VALUES (9999, '9999_future', 'x')`;
  await assert.rejects(migrate(database), (error: GatewayError) => {
    assert.equal(error.code, "database_newer");
    assert.match(error.message, /"9999_future"/);
    return true;
  });
});

test("migrate() refuses an applied migration that was changed", async (fixture) => {
  await fixture.migrated();
  const changed = MIGRATIONS.map((migration) => ({ ...migration, sql: `${migration.sql}\n-- changed` }));
  await assert.rejects(
    migrate(await fixture.owner(), { migrations: changed }),
    /"0001_core" was applied with SHA-256/,
  );
});

test("migrate() runs only what is missing on a database of an older version", async (fixture) => {
  const owner = await fixture.open();
  const older = MIGRATIONS.slice(0, 3);
  assert.deepEqual((await migrate(owner, { migrations: older })).applied, names.slice(0, 3));
  const before = await createInstallation(owner).readInstallation();
  assert.deepEqual((await migrate(owner)).applied, names.slice(3));
  assert.deepEqual(await createInstallation(owner).readInstallation(), before);
});

testPostgres(
  "migrate() with the run-time role alone is content with a migrated schema and refuses an older one",
  async (fixture) => {
    const owner = await fixture.open();
    const serving = await openDatabase({
      ...{ databaseUrl: fixture.databaseUrl ?? "", dataDir: fixture.dataDir, timeoutMs: 10_000 },
    });
    try {
      const refused = (code: string, message: RegExp) =>
        assert.rejects(migrate(serving), (error: GatewayError) => {
          assert.equal(error.code, code);
          assert.match(error.message, message);
          assert.match(error.message, /run "intentgate migrate" with DATABASE_MIGRATION_URL/);
          return true;
        });
      await refused("database_older", /it has no schema, .* the role "intentgate" may not change it/);
      await migrate(owner, { migrations: MIGRATIONS.slice(0, 3) });
      await refused("database_role_unfit", /its role "intentgate" may not read what was migrated/);
      await migrate(owner, { migrations: MIGRATIONS.slice(0, 3), grantTo: "intentgate" });
      await refused("database_older", /its schema is at "0003_operators", this program needs "\d{4}_/);
      await migrate(owner, { grantTo: "intentgate" });
      assert.deepEqual((await migrate(serving)).applied, []);
    } finally {
      await serving.close();
    }
  },
);

testPostgres(
  "migrate() lets the owner through again after a dump was restored under another role",
  async (fixture) => {
    const database = await fixture.migrated();
    const owner = await fixture.owner();
    const append = async () => {
      const event = { chain: "default", eventId: "e", canonical: "{}", conditions: [] };
      return (await createAuditEvents(database).append([event]))[0]?.status;
    };
    await owner.sql.unsafe("ALTER POLICY owner ON audit_heads TO pg_monitor");
    await assert.rejects(append(), /Unknown audit chain/);
    assert.deepEqual((await migrate(owner)).applied, []);
    assert.equal(await append(), "appended");
  },
);

testPostgres("migrate() leaves what else lives in the schema alone", async (fixture) => {
  const owner = await fixture.open();
  await owner.sql.unsafe(`
    CREATE TABLE others (id int);
    CREATE FUNCTION others_function() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1`);
  await migrate(owner, { grantTo: "intentgate" });
  const [row] = await owner.sql`
    SELECT c.relrowsecurity AS secured, has_table_privilege('intentgate', c.oid, 'SELECT') AS readable,
      p.proconfig AS config
    FROM pg_class c, pg_proc p WHERE c.relname = 'others' AND p.proname = 'others_function'`;
  assert.deepEqual({ ...row }, { secured: false, readable: false, config: null });
});

test("migrate() leaves nothing of a migration that fails", async (fixture) => {
  const database = await fixture.migrated();
  const owner = await fixture.owner();
  const broken = {
    number: 3,
    name: "0003_broken",
    sql: "CREATE TABLE half (a int); SELECT no_such_function()",
  };
  const next = MIGRATIONS.length + 1;
  await assert.rejects(
    migrate(owner, { migrations: [...MIGRATIONS, { ...broken, number: next }] }),
    /Cannot apply the migration "0003_broken": function no_such_function\(\) does not exist/,
  );
  const [row] = await database.sql<{ half: string | null }[]>`SELECT to_regclass('half') AS half`;
  assert.equal(row?.half, null);
  assert.deepEqual((await migrate(database)).applied, []);
});
