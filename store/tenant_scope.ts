/** Row-level security by tenant: what a query may see is told to the database apart from the query itself. */
import type postgres from "postgres";
import type { Tx } from "../core/tx.ts";
import { sqlOf } from "./transaction.ts";

/** One query, or several that belong together. */
export type ScopedQuery<T> = (sql: postgres.TransactionSql) => PromiseLike<T>;

/** Tenants, or chains, by name. */
export type TenantNames = string | readonly string[];

/** What `intentgate.tenants` must be for the rows of everybody. */
const EVERYBODY = "*";

/** Tenants and chains; nothing else may become part of the setting, least of all "*" or a comma. */
const NAME = /^~?[a-z0-9][a-z0-9-]{0,62}$/;

/** Runs a query that sees rows of these tenants only, whatever it asks for, in a read-only transaction of its own. */
export function readScoped<T>(sql: postgres.Sql, tenants: TenantNames, query: ScopedQuery<T>): Promise<T> {
  return inScope(sql, settingOf(tenants), query);
}

/** The same for the few queries that are about the whole installation. */
export function readEverybody<T>(sql: postgres.Sql, query: ScopedQuery<T>): Promise<T> {
  return inScope(sql, EVERYBODY, query);
}

/** The same inside a transaction, which sees afterwards what it saw before. */
export async function readScopedIn<T>(tx: Tx, tenants: TenantNames, query: ScopedQuery<T>): Promise<T> {
  const sql = sqlOf(tx);
  await setScope(sql, settingOf(tenants));
  const rows = await query(sql);
  await setScope(sql, ""); // after a failure the whole transaction is lost
  return rows;
}

async function inScope<T>(sql: postgres.Sql, setting: string, query: ScopedQuery<T>): Promise<T> {
  return await sql.begin("read only", async (tx) => {
    // Started first and not waited for: both travel together, in this order.
    const [, rows] = await Promise.all([setScope(tx, setting).execute(), query(tx)]);
    return rows;
  }) as T;
}

function setScope(sql: postgres.TransactionSql, setting: string) {
  return sql`SELECT set_config('intentgate.tenants', ${setting}, true)`;
}

function settingOf(tenants: TenantNames): string {
  const names = typeof tenants === "string" ? [tenants] : tenants;
  return names.filter((name) => NAME.test(name)).join(",");
}
