/** What only whoever owns the database cluster can do, past every trigger and right. */
import assert from "node:assert/strict";
import postgres from "postgres";
import type { DatabaseFixture } from "./integration/databases.ts";

/** Runs something as the superuser, in the fixture's database or another one. */
export async function asSuperuser(
  { superuserUrl = assert.fail() }: DatabaseFixture,
  run: (sql: postgres.Sql, database: string) => Promise<unknown>,
  database?: string,
): Promise<void> {
  const url = new URL(superuserUrl);
  const name = url.pathname.slice(1);
  if (database !== undefined) url.pathname = database;
  const sql = postgres(url.href, { max: 1, onnotice: () => {} });
  try {
    await run(sql, name);
  } finally {
    await sql.end();
  }
}

const CHAIN_TABLES = [
  ...["audit_events", "audit_heads", "audit_checkpoints", "audit_tiles"],
  ...["open_decisions", "audit_salts"],
];

/** Removes every row of a chain, as if it had never been. */
export async function removeChain(fixture: DatabaseFixture, chain: string): Promise<void> {
  await asSuperuser(fixture, async (sql) => {
    await sql`SET session_replication_role = replica`;
    for (const table of CHAIN_TABLES) await sql`DELETE FROM ${sql(table)} WHERE chain = ${chain}`;
  });
}

/** Removes a tenant, and nothing else of it. */
export async function removeTenant(fixture: DatabaseFixture, tenant: string): Promise<void> {
  await asSuperuser(fixture, async (sql) => {
    await sql`SET session_replication_role = replica`;
    await sql`DELETE FROM tenants WHERE name = ${tenant}`;
  });
}
