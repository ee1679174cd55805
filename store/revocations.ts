import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";
import { sqlOf } from "./transaction.ts";

/** What a revocation is about. */
export type RevocationKind = "block" | "agent" | "user" | "upstream" | "tenant" | "all";

export interface NewRevocation {
  /** Absent only for kind `all`. */
  readonly tenant?: string | undefined;
  readonly kind: RevocationKind;
  /** Block id, agent, user or upstream; absent for kinds `tenant` and `all`. */
  readonly value?: string | undefined;
  /** Only what was issued before this time, in epoch seconds. */
  readonly before?: number | undefined;
  readonly reason: string;
  readonly operator: string;
}

/** The table `revocations`; `store/revocation_feed.ts` reads it. */
export interface RevocationsTable {
  /** Returns its number. Holds the counter's row until the transaction ends. */
  insert(tx: Tx, revocation: NewRevocation): Promise<number>;
  /** Revoked blocks of a tenant after a number, in order. */
  blocks(tenant: string, after: number, limit: number): Promise<RevokedBlock[]>;
}

/** One revoked block. `createdAt` in epoch seconds. */
export interface RevokedBlock {
  readonly number: number;
  readonly tenant: string;
  readonly blockId: string;
  readonly reason: string;
  readonly operator: string;
  readonly createdAt: number;
}

interface Stored {
  readonly number: string;
  readonly tenant: string;
  readonly value: string;
  readonly reason: string;
  readonly operator: string;
  readonly created_at: number;
}

export function createRevocations({ read }: Pick<Database, "read">): RevocationsTable {
  return {
    insert,
    blocks: async (tenant, after, limit) => {
      const rows = await read(tenant, (sql) =>
        sql<Stored[]>`
        SELECT number, tenant, value, reason, operator, extract(epoch FROM created_at)::float8 AS created_at
        FROM revocations WHERE tenant = ${tenant} AND kind = 'block' AND number > ${after}
        ORDER BY number LIMIT ${limit}`);
      return rows.map(({ number, value, created_at: createdAt, ...row }) => ({
        ...row,
        ...{ number: safeInteger(number), blockId: value, createdAt },
      }));
    },
  };
}

async function insert(tx: Tx, revocation: NewRevocation): Promise<number> {
  const { tenant = null, kind, value = null, before = null, reason, operator } = revocation;
  const [row] = await sqlOf(tx)<{ number: string }[]>`
    SELECT revocation_add(${tenant}, ${kind}, ${value}, ${before}::float8, ${reason}, ${operator}) AS number`;
  return safeInteger(row?.number);
}
