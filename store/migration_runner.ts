import { createHash } from "node:crypto";
import type postgres from "postgres";
import { GatewayError } from "../core/errors.ts";
import { type Migration, MIGRATIONS } from "../migrations/migrations.ts";
import type { Database } from "./database.ts";
import { asDatabaseError, messageOf } from "./deadline.ts";

/** What `migrate` did, and the number of the schema afterwards. */
export interface MigrateResult {
  readonly applied: readonly string[];
  readonly number: number;
}

/** Any fixed number: whoever migrates holds the advisory lock with this key. */
const LOCK_KEY = 7_163_150_021;

/**
 * Brings the schema up to date: each migration in one transaction, under a lock, so that several replicas may start at
 * once. Running it again does nothing. Refuses a database whose schema is newer than this program, and one in which
 * an applied migration differs from ours.
 */
export async function migrate(
  database: Pick<Database, "sql">,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<MigrateResult> {
  const applied: string[] = [];
  try {
    while (true) {
      const name = await database.sql.begin((tx) => applyNext(tx, migrations));
      if (name === undefined) return { applied, number: migrations.at(-1)?.number ?? 0 };
      applied.push(name);
    }
  } catch (cause) {
    throw cause instanceof GatewayError ? cause : asDatabaseError(cause);
  }
}

async function applyNext(
  tx: postgres.TransactionSql,
  migrations: readonly Migration[],
): Promise<string | undefined> {
  await tx`SELECT pg_advisory_xact_lock(${LOCK_KEY})`;
  // Asked first: "IF NOT EXISTS" would print a notice at every start.
  const [found] = await tx<{ known: boolean }[]>`
    SELECT to_regclass('schema_migrations') IS NOT NULL AS known`;
  if (found?.known !== true) await createTable(tx);
  const rows = await tx<{ number: number; name: string; sha256: string }[]>`
    SELECT number, name, sha256 FROM schema_migrations ORDER BY number`;
  const done = new Map(rows.map((row) => [row.number, row]));
  const newer = rows.find((row) => !migrations.some((migration) => migration.number === row.number));
  if (newer !== undefined) throw databaseNewer(newer, migrations);
  for (const migration of migrations) {
    const row = done.get(migration.number);
    if (row !== undefined) refuseChanged(migration, row.sha256);
    else return await apply(tx, migration);
  }
  return undefined;
}

async function createTable(tx: postgres.TransactionSql): Promise<void> {
  await tx`
    CREATE TABLE schema_migrations (
      number int PRIMARY KEY,
      name text NOT NULL,
      sha256 text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`;
}

async function apply(tx: postgres.TransactionSql, migration: Migration): Promise<string> {
  try {
    await tx.unsafe(migration.sql);
  } catch (cause) {
    const message = `Cannot apply the migration "${migration.name}": ${messageOf(cause)}`;
    throw new GatewayError("database_unavailable", message, { cause });
  }
  await tx`
    INSERT INTO schema_migrations (number, name, sha256)
    VALUES (${migration.number}, ${migration.name}, ${sha256Of(migration)})`;
  return migration.name;
}

function sha256Of(migration: Migration): string {
  return createHash("sha256").update(migration.sql).digest("hex");
}

function refuseChanged(migration: Migration, applied: string): void {
  const ours = sha256Of(migration);
  if (applied === ours) return;
  throw new GatewayError(
    "database_unavailable",
    `Cannot use the database: the migration "${migration.name}" was applied with SHA-256 "${applied}", ` +
      `this program has "${ours}"; a released migration must not be changed`,
  );
}

function databaseNewer(
  row: { number: number; name: string },
  migrations: readonly Migration[],
): GatewayError {
  const ours = migrations.at(-1)?.name ?? "none";
  return new GatewayError(
    "database_newer",
    `Cannot use the database: its schema has migration "${row.name}", this program knows none after "${ours}"; ` +
      "use a newer version of IntentGate",
  );
}
