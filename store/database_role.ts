/** What the role of a connection may do, and what the role that migrates lets the run-time role do. */
import type postgres from "postgres";
import { GatewayError } from "../core/errors.ts";
import type { Database } from "./database.ts";

/**
 * How far the record is out of reach of the connection that writes it: `separated` when the role can only read and call
 * functions, `owner` when it could change the objects themselves, `embedded` when this process is the database.
 */
export type Hardening = "embedded" | "owner" | "separated";

/** What a role, or the connection's own, has too much of, in words; empty when it is fit to be the run-time role. */
export async function excessRights(sql: postgres.ISql, role: string | null): Promise<readonly string[]> {
  const rows = await sql<{ excess: string }[]>`
    WITH me AS (SELECT * FROM pg_roles WHERE rolname = coalesce(${role}, current_user)),
    ours AS (
      SELECT c.oid, c.oid::regclass::text AS name, c.relowner FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid
      WHERE c.relnamespace = current_schema()::regnamespace AND p.polname = 'owner'
    )
    SELECT unnest(array_remove(ARRAY[
      CASE WHEN rolsuper THEN 'it is a superuser' END,
      CASE WHEN rolbypassrls THEN 'it has BYPASSRLS' END,
      CASE WHEN rolcreaterole THEN 'it has CREATEROLE' END,
      CASE WHEN rolreplication THEN 'it has REPLICATION' END,
      CASE WHEN pg_has_role(oid, 'pg_execute_server_program', 'MEMBER')
        OR pg_has_role(oid, 'pg_write_server_files', 'MEMBER') THEN 'it may write files of the server' END,
      CASE WHEN has_database_privilege(oid, current_database(), 'CREATE') THEN 'it may create schemas' END,
      CASE WHEN has_schema_privilege(oid, current_schema(), 'CREATE')
        THEN format('it may create objects in the schema %I: REVOKE CREATE ON SCHEMA %1$I FROM PUBLIC '
          '(on PostgreSQL 14 first ALTER SCHEMA %1$I OWNER TO pg_database_owner)', current_schema()) END
    ], NULL)) AS excess FROM me
    UNION ALL
    SELECT 'it owns the database, or may become its owner' FROM me, pg_database d
    WHERE d.datname = current_database() AND pg_has_role(me.oid, d.datdba, 'MEMBER')
    UNION ALL
    SELECT 'it owns the tables, or may become their owner' FROM me
    WHERE EXISTS (SELECT FROM ours WHERE pg_has_role(me.oid, ours.relowner, 'MEMBER'))
    UNION ALL
    SELECT format('it may change the table %s', ours.name) FROM me, ours
    WHERE NOT pg_has_role(me.oid, ours.relowner, 'MEMBER')
      AND (has_table_privilege(me.oid, ours.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        OR has_any_column_privilege(me.oid, ours.oid, 'INSERT, UPDATE, REFERENCES'))`;
  return rows.map(({ excess }) => excess);
}

/** Asks the database what the connection's own role could do. */
export async function readHardening(database: Pick<Database, "kind" | "sql">): Promise<Hardening> {
  if (database.kind === "embedded") return "embedded";
  return (await excessRights(database.sql, null)).length === 0 ? "separated" : "owner";
}

/** Refuses a run-time role, by default the connection's own, with more rights than reading and calling functions. */
export async function refuseExcessRights(sql: postgres.ISql, role: string | null = null): Promise<void> {
  const excess = await excessRights(sql, role);
  if (excess.length === 0) return;
  throw new GatewayError(
    "database_role_unfit",
    `Cannot use the role ${role === null ? "" : `"${role}" `}of DATABASE_URL beside DATABASE_MIGRATION_URL: ${
      excess.join("; ")
    }`,
  );
}

/** Tables of ours whose policy lets through another role than their owner: they came back from a dump under a new one. */
export async function strayedPolicies(sql: postgres.ISql): Promise<readonly string[]> {
  const rows = await sql<{ statement: string }[]>`
    SELECT format('ALTER POLICY owner ON %s TO CURRENT_USER', c.oid::regclass) AS statement
    FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid AND p.polname = 'owner'
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relowner = current_user::regrole
      AND p.polroles <> ARRAY[c.relowner] ORDER BY 1`;
  return rows.map(({ statement }) => statement);
}

/**
 * Lets the run-time role read the tables of the migrations and call their SECURITY DEFINER functions, and nothing else.
 * Grants only what is missing. The transaction holds the lock of the migrations.
 */
export async function grantRunTime(tx: postgres.TransactionSql, role: string): Promise<void> {
  const known = await tx`SELECT 1 FROM pg_roles WHERE rolname = ${role}`;
  if (known.length === 0) {
    throw new GatewayError(
      "database_role_unfit",
      `Cannot find the role "${role}" of DATABASE_URL: expected a role of the server, ` +
        `make it with CREATE ROLE ... LOGIN PASSWORD ...`,
    );
  }
  const missing = await tx<{ statement: string }[]>`
    SELECT format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), ${role}::text) AS statement
    WHERE NOT has_schema_privilege(${role}, current_schema(), 'USAGE')
    UNION ALL
    SELECT format('GRANT SELECT ON TABLE %s TO %I', c.oid::regclass, ${role}::text)
    FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid AND p.polname = 'owner'
    WHERE c.relnamespace = current_schema()::regnamespace AND NOT has_table_privilege(${role}, c.oid, 'SELECT')
    UNION ALL
    SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', p.oid::regprocedure, ${role}::text) FROM pg_proc p
    WHERE p.pronamespace = current_schema()::regnamespace AND p.prosecdef
      AND p.proowner = (SELECT c.relowner FROM pg_class c WHERE c.oid = 'schema_migrations'::regclass)
      AND NOT has_function_privilege(${role}, p.oid, 'EXECUTE')`;
  for (const { statement } of missing) await tx.unsafe(statement);
  await refuseExcessRights(tx, role);
}
