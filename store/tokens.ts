import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { sqlOf } from "./transaction.ts";

/** What is remembered of a minted token: never the token itself. Times are epoch seconds. */
export interface TokenRow {
  readonly tenant: string;
  readonly jti: string;
  /** Key that it was minted under. */
  readonly kid: string;
  /** Block id of block 0. */
  readonly blockId: string;
  readonly agent: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Who minted it. */
  readonly operator: string;
}

/** The table `tokens`. */
export interface TokensTable {
  insert(tx: Tx, row: TokenRow): Promise<void>;
  findBlockId(tenant: string, jti: string): Promise<string | undefined>;
}

export function createTokens(database: Database): TokensTable {
  return {
    insert: async (tx, row) => {
      await sqlOf(tx)`
        INSERT INTO tokens (tenant, jti, kid, block_id, agent, issued_at, expires_at, operator)
        VALUES (${row.tenant}, ${row.jti}, ${row.kid}, ${row.blockId}, ${row.agent},
          to_timestamp(${row.issuedAt}), to_timestamp(${row.expiresAt}), ${row.operator})`;
    },
    findBlockId: async (tenant, jti) => {
      const [row] = await database.sql<{ block_id: string }[]>`
        SELECT block_id FROM tokens WHERE tenant = ${tenant} AND jti = ${jti}`;
      return row?.block_id;
    },
  };
}
