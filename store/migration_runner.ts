import { createHash } from "node:crypto";
import type postgres from "postgres";
import { GatewayError } from "../core/errors.ts";
import { type Migration, MIGRATIONS } from "../migrations/migrations.ts";
import type { Database } from "./database.ts";
import { grantRunTime, strayedPolicies } from "./database_role.ts";
import { asDatabaseError, messageOf } from "./deadline.ts";
import hardening from "./hardening.sql" with { type: "text" };

/** What `migrate` did, and the number of the schema afterwards. */
export interface MigrateResult {
  readonly applied: readonly string[];
  readonly number: number;
}

export interface MigrateOptions {
  readonly migrations?: readonly Migration[];
  /** The run-time role, which afterwards may read and call functions. Absent: the role that migrates serves too. */
  readonly grantTo?: string;
}

/** A row of the table that remembers what was applied. */
interface Applied {
  readonly number: number;
  readonly name: string;
  readonly sha256: string;
}

/** Any fixed number: whoever migrates holds the advisory lock with this key. */
const LOCK_KEY = 7_163_150_021;

/**
 * Brings the schema up to date: each migration in one transaction, under a lock, so that several replicas may start at
 * once, and one that dies leaves the migration before. Running it again does nothing. Refuses a database whose schema
 * is newer than this program, one in which an applied migration differs from ours, and one that the connection's role
 * would have to change and may not.
 */
export async function migrate(
  database: Pick<Database, "sql">,
  { migrations = MIGRATIONS, grantTo }: MigrateOptions = {},
): Promise<MigrateResult> {
  const applied: string[] = [];
  try {
    for (;;) {
      if (nextOf(await readApplied(database.sql), migrations) === undefined) break;
      await refuseForeign(database.sql, migrations);
      const name = await database.sql.begin((tx) => applyNext(tx, migrations));
      if (name !== undefined) applied.push(name);
    }
    if ((await strayedPolicies(database.sql)).length > 0) {
      await database.sql.begin(async (tx) => {
        await lock(tx);
        for (const statement of await strayedPolicies(tx)) await tx.unsafe(statement);
      });
    }
    if (grantTo !== undefined) await database.sql.begin((tx) => grantLocked(tx, grantTo));
    return { applied, number: migrations.at(-1)?.number ?? 0 };
  } catch (cause) {
    throw cause instanceof GatewayError ? cause : asDatabaseError(cause);
  }
}

async function applyNext(
  tx: postgres.TransactionSql,
  migrations: readonly Migration[],
): Promise<string | undefined> {
  await lock(tx);
  const rows = await readApplied(tx);
  if (rows === undefined) await createTable(tx);
  const next = nextOf(rows ?? [], migrations); // again: another process may have been faster
  return next === undefined ? undefined : await apply(tx, next);
}

async function grantLocked(tx: postgres.TransactionSql, role: string): Promise<void> {
  await lock(tx);
  await grantRunTime(tx, role);
}

async function lock(tx: postgres.TransactionSql): Promise<void> {
  await tx`SELECT pg_advisory_xact_lock(${LOCK_KEY})`;
}

/** `undefined` when nothing was ever applied. */
async function readApplied(sql: postgres.ISql): Promise<readonly Applied[] | undefined> {
  // Asked first: "IF NOT EXISTS" would print a notice at every start. And of the catalogue, because `to_regclass` may
  // remember that there was none before another process made it.
  const [found] = await sql<{ readable: boolean; role: string }[]>`
    SELECT has_table_privilege(c.oid, 'SELECT') AS readable, current_user::text AS role FROM pg_class c
    WHERE c.relname = 'schema_migrations' AND c.relnamespace = current_schema()::regnamespace`;
  if (found === undefined) return undefined;
  if (!found.readable) throw notGranted(found.role);
  return await sql<Applied[]>`SELECT number, name, sha256 FROM schema_migrations ORDER BY number`;
}

/** The first migration that is still to be applied. */
function nextOf(
  rows: readonly Applied[] | undefined,
  migrations: readonly Migration[],
): Migration | undefined {
  const newer = rows?.find((row) => !migrations.some((migration) => migration.number === row.number));
  if (newer !== undefined) throw databaseNewer(newer, migrations);
  const done = new Map(rows?.map((row) => [row.number, row]));
  for (const migration of migrations) {
    const row = done.get(migration.number);
    if (row === undefined) return migration;
    refuseChanged(migration, row.sha256);
  }
  return undefined;
}

/** Whoever may not act as the owner of what is there, or may make nothing in an empty schema, cannot migrate. */
async function refuseForeign(sql: postgres.ISql, migrations: readonly Migration[]): Promise<void> {
  const [row] = await sql<{ may: boolean | null; role: string; at: string | null }[]>`
    SELECT current_user::text AS role, (
        SELECT pg_has_role(c.relowner, 'MEMBER') FROM pg_class c WHERE c.oid = to_regclass('schema_migrations')
      ) IS NOT FALSE AND has_schema_privilege(current_schema(), 'CREATE') AS may,
      current_schema()::text AS at`;
  if (row?.may === true) return;
  const last = (await readApplied(sql))?.at(-1)?.name;
  throw new GatewayError(
    "database_older",
    `Cannot use the database: ${last === undefined ? "it has no schema" : `its schema is at "${last}"`}, ` +
      `this program needs "${migrations.at(-1)?.name}", and the role "${row?.role}" may not change it; ` +
      'run "intentgate migrate" with DATABASE_MIGRATION_URL',
  );
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
    await tx.unsafe(hardening);
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

function notGranted(role: string): GatewayError {
  return new GatewayError(
    "database_role_unfit",
    `Cannot use the database: its role "${role}" may not read what was migrated; ` +
      'run "intentgate migrate" with DATABASE_MIGRATION_URL and this DATABASE_URL',
  );
}

function databaseNewer(row: Applied, migrations: readonly Migration[]): GatewayError {
  const ours = migrations.at(-1)?.name ?? "none";
  return new GatewayError(
    "database_newer",
    `Cannot use the database: its schema has migration "${row.name}", this program knows none after "${ours}"; ` +
      "use a newer version of IntentGate",
  );
}
