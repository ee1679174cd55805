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
  /** Tokens of a tenant after a place, in the order of time of issue and id; `agent` leaves out those of others. */
  page(query: TokenQuery): Promise<ListedToken[]>;
}

/** A minted token, and whether its block 0 is revoked. */
export interface ListedToken extends Omit<TokenRow, "kid"> {
  readonly revoked: boolean;
}

/** Which tokens are asked for. */
export interface TokenQuery {
  readonly tenant: string;
  readonly agent?: string | undefined;
  /** Time of issue and id of the last token that is known already. */
  readonly after?: { readonly issuedAt: number; readonly jti: string } | undefined;
  readonly limit: number;
}

interface Stored {
  readonly tenant: string;
  readonly jti: string;
  readonly block_id: string;
  readonly agent: string;
  readonly issued_at: number;
  readonly expires_at: number;
  readonly operator: string;
  readonly revoked: boolean;
}

export function createTokens(database: Database): TokensTable {
  return {
    insert: async (tx, row) => {
      await sqlOf(tx)`
        SELECT token_record(${row.tenant}, ${row.jti}, ${row.kid}, ${row.blockId}, ${row.agent},
          ${row.issuedAt}, ${row.expiresAt}, ${row.operator})`;
    },
    findBlockId: async (tenant, jti) => {
      const [row] = await database.read(
        tenant,
        (sql) =>
          sql<{ block_id: string }[]>`
            SELECT block_id FROM tokens WHERE tenant = ${tenant} AND jti = ${jti}`,
      );
      return row?.block_id;
    },
    page: async ({ tenant, agent = null, after, limit }) => {
      const { issuedAt, jti } = after ?? { issuedAt: 0, jti: "" };
      const rows = await database.read(tenant, (sql) =>
        sql<Stored[]>`
        SELECT t.tenant, t.jti, t.block_id, t.agent, extract(epoch FROM t.issued_at)::float8 AS issued_at,
          extract(epoch FROM t.expires_at)::float8 AS expires_at, t.operator,
          EXISTS (
            SELECT FROM revocations r WHERE r.tenant = t.tenant AND r.kind = 'block' AND r.value = t.block_id
          ) AS revoked
        FROM tokens t
        WHERE t.tenant = ${tenant} AND (t.issued_at, t.jti) > (to_timestamp(${issuedAt}), ${jti}::text)
          AND (${agent}::text IS NULL OR t.agent = ${agent}::text)
        ORDER BY t.issued_at, t.jti LIMIT ${limit}`);
      return rows.map(({ block_id: blockId, issued_at: issuedAt, expires_at: expiresAt, ...row }) => ({
        ...row,
        ...{ blockId, issuedAt, expiresAt },
      }));
    },
  };
}
