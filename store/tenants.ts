import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { sqlOf } from "./transaction.ts";

/** The table `tenants`; `default` exists from the first migration on. */
export interface TenantsTable {
  /** Makes the tenant and the head of its audit chain; does nothing when it exists. Returns whether it is new. */
  ensure(tx: Tx, name: string): Promise<boolean>;
  exists(name: string): Promise<boolean>;
  list(): Promise<string[]>;
}

export function createTenants(database: Database): TenantsTable {
  const { sql } = database;
  return {
    ensure: async (tx, name) => {
      const inserted = await sqlOf(tx)`
        INSERT INTO tenants (name) VALUES (${name}) ON CONFLICT (name) DO NOTHING`;
      if (inserted.count === 0) return false;
      await sqlOf(tx)`
        INSERT INTO audit_heads (chain, seq, hash)
        SELECT ${name}::text, 0, audit_genesis(log_id, ${name}::text) FROM installation`;
      return true;
    },
    exists: async (name) => (await sql`SELECT 1 FROM tenants WHERE name = ${name}`).length > 0,
    list: async () =>
      (await sql<{ name: string }[]>`SELECT name FROM tenants ORDER BY name`).map((row) => row.name),
  };
}
