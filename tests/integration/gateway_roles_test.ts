/** Two database roles and migrations that meet real life, with the program as its users run it. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { MIGRATIONS } from "../../migrations/migrations.ts";
import { intentgate } from "../command_line.ts";
import { GatewayExited, type GatewayOptions, startGateway } from "../gateway_process.ts";
import { createDatabaseTests, type DatabaseFixture } from "./databases.ts";
import { eventually, start, urlsOf } from "./gateways.ts";

const { test, testPostgres } = createDatabaseTests();

/** Replicas of one database have the same keys. */
const KEYS = {
  INTENTGATE_KEYS: JSON.stringify({
    active: "k1",
    keys: { k1: btoa("0123456789abcdefghijklmnopqrstuv").replace(/=+$/, "") },
  }),
};

const LAST = MIGRATIONS.at(-1)?.name ?? "";

/** What a gateway that does not start prints. */
async function refusal(options: GatewayOptions): Promise<string> {
  try {
    await (await startGateway(options)).stop();
  } catch (error) {
    if (error instanceof GatewayExited) return error.stderr;
    throw error;
  }
  assert.fail("the gateway started");
}

async function withSuperuser(
  fixture: DatabaseFixture,
  work: (sql: postgres.Sql) => Promise<void>,
): Promise<void> {
  const sql = postgres(fixture.superuserUrl ?? "", { max: 2, onnotice: () => {} });
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 2 });
  }
}

async function schemaOf(sql: postgres.Sql): Promise<readonly string[]> {
  const [found] = await sql`SELECT to_regclass('schema_migrations') IS NOT NULL AS known`;
  if (found?.known !== true) return [];
  return (await sql<{ name: string }[]>`SELECT name FROM schema_migrations ORDER BY number`).map(({ name }) =>
    name
  );
}

test("/readyz says how far the record is out of the gateway's reach", async (fixture) => {
  await using gateway = await start(fixture);
  const { hardening } = await (await fetch(`${gateway.url}/readyz`)).json();
  assert.equal(hardening, fixture.kind === "embedded" ? "embedded" : "separated");
  assert.doesNotMatch(gateway.stderr, /may change what it records/);
});

testPostgres("one role works as before, says so in /readyz, and warns", async (fixture) => {
  await using gateway = await startGateway({ databaseUrl: fixture.migrationUrl ?? "" });
  assert.equal((await (await fetch(`${gateway.url}/readyz`)).json()).hardening, "owner");
  assert.match(gateway.stderr, /"warn".*The database role may change what it records/);
  await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 60 });
});

testPostgres(
  "the owner's role migrates and leaves; the role that serves needs only what it was granted",
  async (fixture) => {
    const databaseUrl = fixture.databaseUrl ?? "";
    assert.match(await refusal({ databaseUrl }), /it has no schema.*run \\?"intentgate migrate\\?"/);
    const migrated = await intentgate(["migrate", "--json"], {
      ...fixture.databaseEnv,
      INTENTGATE_DATA_DIR: fixture.dataDir,
    });
    assert.equal(migrated.code, 0, migrated.err);
    assert.equal(JSON.parse(migrated.out).number, MIGRATIONS.length);
    await using alone = await startGateway({ databaseUrl, env: KEYS });
    assert.equal((await (await fetch(`${alone.url}/readyz`)).json()).hardening, "separated");
    await using _both = await start(fixture, { env: KEYS });
    await withSuperuser(fixture, async (sql) => {
      const roles = await sql<{ role: string }[]>`
      SELECT DISTINCT usename AS role FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'intentgate'`;
      assert.deepEqual(roles.map(({ role }) => role), ["intentgate"], "nobody holds the owner's connection");
    });
  },
);

testPostgres("URLs that do not separate are refused", async (fixture) => {
  const [databaseUrl, migrationUrl] = [fixture.databaseUrl ?? "", fixture.migrationUrl ?? ""];
  const env = { INTENTGATE_DATA_DIR: fixture.dataDir };
  for (
    const [urls, message] of [
      [{ DATABASE_MIGRATION_URL: migrationUrl }, /Cannot use DATABASE_MIGRATION_URL without DATABASE_URL/],
      [
        { DATABASE_MIGRATION_URL: migrationUrl, DATABASE_URL: migrationUrl },
        /expected two different users, got "intentgate_owner" and "intentgate_owner"/,
      ],
      [
        { DATABASE_MIGRATION_URL: "nonsense hunter2", DATABASE_URL: databaseUrl },
        /Cannot read DATABASE_MIGRATION_URL: expected/,
      ],
    ] as const
  ) {
    for (const command of ["check", "migrate"]) {
      const ran = await intentgate([command], { ...env, ...urls });
      assert.match(ran.err, message, command);
      assert.equal(ran.code, 2);
      assert.doesNotMatch(ran.err, /hunter2|correct-horse/);
    }
  }
  const mighty = await refusal({ databaseUrl: fixture.superuserUrl ?? "", migrationUrl });
  assert.match(mighty, /Cannot use the role \\?"postgres\\?" of DATABASE_URL.*superuser/);
});

testPostgres(
  "a schema as PostgreSQL 14 makes it is refused until the documented statements ran",
  async (fixture) => {
    await withSuperuser(fixture, async (sql) => {
      await sql.unsafe("ALTER SCHEMA public OWNER TO postgres; GRANT CREATE ON SCHEMA public TO PUBLIC");
      assert.match(await refusal(urlsOf(fixture)), /may create objects in the schema public: REVOKE CREATE/);
      const page = await Deno.readTextFile(new URL("../../docs/reference/database.md", import.meta.url));
      await sql.unsafe(/```sql\n(ALTER SCHEMA [^`]+)```/.exec(page)?.[1] ?? assert.fail("no statements"));
    });
    await using gateway = await start(fixture);
    assert.equal((await (await fetch(`${gateway.url}/readyz`)).json()).hardening, "separated");
    const { sql } = await fixture.owner();
    const [owner] = await sql`SELECT has_schema_privilege('public', 'CREATE') AS may`;
    assert.equal(owner?.may, true, "the next migration");
  },
);

testPostgres("check says what the configuration promises, without any password", async (fixture) => {
  const hardening = async (env: Record<string, string>) => {
    const { out, err } = await intentgate(["check", "--json"], env);
    assert.doesNotMatch(out + err, /correct-horse/);
    return JSON.parse(out).hardening;
  };
  assert.equal(await hardening({}), "embedded");
  assert.equal(await hardening({ DATABASE_URL: fixture.databaseUrl ?? "" }), "owner");
  const file = `${fixture.dataDir}/migration_url`;
  await Deno.writeTextFile(file, `${fixture.migrationUrl}\n`);
  const both = { DATABASE_URL: fixture.databaseUrl ?? "", DATABASE_MIGRATION_URL_FILE: file };
  assert.equal(await hardening(both), "separated");
  const { out } = await intentgate(["check"], both);
  assert.match(out, /hardening +separated/);
  assert.match(out, /migrations +postgres:\/\/intentgate_owner:\*\*\*@/);
});

testPostgres("two replicas that start at once on an empty database both serve", async (fixture) => {
  const gateways = await Promise.all([start(fixture, { env: KEYS }), start(fixture, { env: KEYS })]);
  try {
    await withSuperuser(fixture, async (sql) => {
      assert.deepEqual(await schemaOf(sql), MIGRATIONS.map(({ name }) => name));
    });
  } finally {
    for (const gateway of gateways) await gateway.stop();
  }
});

/** Makes the migration that creates a table stop right there, until `release` is called. */
async function stopAt(sql: postgres.Sql, table: string): Promise<() => Promise<unknown>> {
  await sql.unsafe(`
    CREATE FUNCTION stop_here() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.${table}') THEN
        PERFORM pg_advisory_lock_shared(4711);
        PERFORM pg_advisory_unlock_shared(4711);
      END IF;
    END $$;
    CREATE EVENT TRIGGER stop_here ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION stop_here()`);
  const holding = await sql.reserve();
  await holding`SELECT pg_advisory_lock(4711)`;
  return async () => {
    await holding`SELECT pg_advisory_unlock(4711)`;
    holding.release();
  };
}

/** Starts `migrate` and waits until it stands in the middle of the migration. */
async function migrateHalfWay(fixture: DatabaseFixture, sql: postgres.Sql): Promise<Deno.ChildProcess> {
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", main, "migrate"],
    env: { ...fixture.databaseEnv, INTENTGATE_DATA_DIR: fixture.dataDir },
    ...{ stdout: "null", stderr: "null" },
  }).spawn();
  const waits = async () =>
    (await sql`
      SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'intentgate' AND wait_event = 'advisory'`)
      .length > 0;
  await eventually(waits, "the middle of the migration", 20_000);
  return child;
}

testPostgres("kill -9 in the middle of a migration: the next start finishes cleanly", async (fixture) => {
  await withSuperuser(fixture, async (sql) => {
    const release = await stopAt(sql, "audit_events");
    const child = await migrateHalfWay(fixture, sql);
    child.kill("SIGKILL");
    await child.status;
    assert.deepEqual(await schemaOf(sql), ["0001_core"]);
    const [half] = await sql`SELECT to_regclass('audit_heads') AS half`;
    assert.equal(half?.half, null, "nothing of the half migration is there");
    const next = start(fixture); // waits for the dead one's lock
    next.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 500));
    await release();
    await using gateway = await next;
    assert.deepEqual(await schemaOf(sql), MIGRATIONS.map(({ name }) => name));
    await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 60 });
  });
});

testPostgres(
  "kill -9 of the server in the middle of a migration: the next start finishes cleanly",
  async (fixture, cluster) => {
    await withSuperuser(fixture, async (sql) => {
      await stopAt(sql, "audit_events");
      const child = await migrateHalfWay(fixture, sql);
      await cluster.killHard();
      assert.equal((await child.status).success, false);
    });
    await cluster.restart();
    await withSuperuser(fixture, async (sql) => {
      assert.deepEqual(await schemaOf(sql), ["0001_core"]);
      await using _gateway = await start(fixture);
      assert.deepEqual(await schemaOf(sql), MIGRATIONS.map(({ name }) => name));
    });
  },
);

testPostgres("an older program refuses a newer schema, and says what to do", async (fixture) => {
  const owner = await fixture.migrated().then(() => fixture.owner());
  await owner.sql`INSERT INTO schema_migrations (number, name, sha256) VALUES (9999, '9999_future', 'x')`;
  const message = new RegExp(
    `its schema has migration \\\\?"9999_future\\\\?", this program knows none after \\\\?"${LAST}\\\\?"; ` +
      "use a newer version of IntentGate",
  );
  const env = { ...fixture.databaseEnv, INTENTGATE_DATA_DIR: fixture.dataDir };
  const migrated = await intentgate(["migrate"], env);
  assert.equal(migrated.code, 1);
  assert.match(migrated.err, message);
  assert.match(await refusal({ dataDir: fixture.dataDir, databaseUrl: fixture.databaseUrl ?? "" }), message);
});
