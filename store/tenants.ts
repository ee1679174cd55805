import type postgres from "postgres";
import type { JsonObject } from "../core/json.ts";
import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";
import { readScopedIn, type ScopedQuery } from "./tenant_scope.ts";
import { sqlOf } from "./transaction.ts";

/** One tenant. `createdAt` in epoch seconds. */
export interface TenantRow {
  readonly name: string;
  /** The installation's settings version with which it was made or last changed. */
  readonly version: number;
  readonly settings: JsonObject;
  readonly createdAt: number;
}

/** The table `tenants`; `default` exists from the first migration on. */
export interface TenantsTable {
  /** Makes the tenant and the head of its audit chain; `undefined` when it exists. */
  create(tx: Tx, name: string, settings: JsonObject): Promise<TenantRow | undefined>;
  /** The same with no settings. Returns whether it is new. */
  ensure(tx: Tx, name: string): Promise<boolean>;
  /** Replaces the settings of a tenant that is still at `version`; `undefined` when it is not. */
  update(tx: Tx, name: string, version: number, settings: JsonObject): Promise<TenantRow | undefined>;
  exists(name: string): Promise<boolean>;
  find(name: string): Promise<TenantRow | undefined>;
  /** Those of the given names that exist. */
  known(tx: Tx, names: readonly string[]): Promise<string[]>;
  list(): Promise<string[]>;
  /** Tenants whose settings say what is kept beside their audit events, with that. */
  recordValues(): Promise<Map<string, string>>;
  /** Tenants whose name sorts after another one, in order; `only` leaves out all others. */
  page(afterName: string, limit: number, only?: readonly string[]): Promise<TenantRow[]>;
}

interface Stored {
  readonly name: string;
  readonly settings_version: string;
  readonly settings: JsonObject;
  readonly created_at: number;
}

export function createTenants({ read, readEverybody }: Database): TenantsTable {
  return {
    create,
    ensure: async (tx, name) => await create(tx, name, {}) !== undefined,
    update,
    exists: async (name) =>
      (await read(name, (sql) => sql`SELECT 1 FROM tenants WHERE name = ${name}`)).length > 0,
    find: async (name) => {
      const [row] = await read(
        name,
        (sql) => sql<Stored[]>`SELECT ${columns(sql)} FROM tenants WHERE name = ${name}`,
      );
      return row === undefined ? undefined : toRow(row);
    },
    known: async (tx, names) => {
      const rows = await readScopedIn(
        tx,
        names,
        (sql) => sql<{ name: string }[]>`SELECT name FROM tenants WHERE name = ANY (${[...names]}::text[])`,
      );
      return rows.map((row) => row.name);
    },
    list: async () =>
      (await readEverybody((sql) => sql<{ name: string }[]>`SELECT name FROM tenants ORDER BY name`))
        .map((row) => row.name),
    recordValues: async () => {
      const rows = await readEverybody((sql) =>
        sql<{ name: string; kept: string }[]>`
        SELECT name, settings ->> 'record_values' AS kept FROM tenants
        WHERE settings ->> 'record_values' IS NOT NULL`
      );
      return new Map(rows.map(({ name, kept }) => [name, kept]));
    },
    page: async (afterName, limit, only) => {
      const names = only === undefined ? null : [...only];
      const query: ScopedQuery<Stored[]> = (sql) =>
        sql<Stored[]>`
          SELECT ${columns(sql)} FROM tenants
          WHERE name > ${afterName} AND (${names}::text[] IS NULL OR name = ANY (${names}::text[]))
          ORDER BY name LIMIT ${limit}`;
      return (await (names === null ? readEverybody(query) : read(names, query))).map(toRow);
    },
  };
}

async function create(tx: Tx, name: string, settings: JsonObject): Promise<TenantRow | undefined> {
  const sql = sqlOf(tx);
  const [row] = await sql<Stored[]>`SELECT ${columns(sql)} FROM tenant_create(${name}, ${
    sql.json(settings)
  })`;
  return row === undefined ? undefined : toRow(row);
}

async function update(
  tx: Tx,
  name: string,
  version: number,
  settings: JsonObject,
): Promise<TenantRow | undefined> {
  const sql = sqlOf(tx);
  const [row] = await sql<Stored[]>`
    SELECT ${columns(sql)} FROM tenant_set(${name}, ${version}, ${sql.json(settings)})`;
  return row === undefined ? undefined : toRow(row);
}

function columns(sql: postgres.ISql) {
  return sql`name, settings_version, settings, extract(epoch FROM created_at)::float8 AS created_at`;
}

function toRow(stored: Stored): TenantRow {
  return {
    name: stored.name,
    version: safeInteger(stored.settings_version),
    settings: stored.settings,
    createdAt: stored.created_at,
  };
}
