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

export interface RevocationRow extends NewRevocation {
  readonly number: number;
  /** Epoch seconds. */
  readonly createdAt: number;
}

/** Channel on which the number of a new revocation is announced when it commits. */
export const REVOCATIONS_CHANNEL = "intentgate_revocations";

/** The tables `revocations` and `revocation_counter`. */
export interface RevocationsTable {
  /** Returns its number. Holds the counter's row until the transaction ends. */
  insert(tx: Tx, revocation: NewRevocation): Promise<number>;
  /** Number of the last committed revocation, 0 when there is none. */
  readCounter(): Promise<number>;
  /** Revocations with a greater number, in order. */
  readAfter(number: number, limit: number): Promise<RevocationRow[]>;
}

interface Stored {
  readonly number: string;
  readonly tenant: string | null;
  readonly kind: RevocationKind;
  readonly value: string | null;
  readonly before: number | null;
  readonly reason: string;
  readonly operator: string;
  readonly created_at: number;
}

export function createRevocations(database: Database): RevocationsTable {
  const { sql } = database;
  return {
    insert,
    readCounter: async () => {
      const [row] = await sql<{ number: string }[]>`SELECT number FROM revocation_counter`;
      return safeInteger(row?.number);
    },
    readAfter: async (number, limit) => {
      const rows = await sql<Stored[]>`
        SELECT number, tenant, kind, value, extract(epoch FROM before)::float8 AS before, reason, operator,
          extract(epoch FROM created_at)::float8 AS created_at
        FROM revocations WHERE number > ${number} ORDER BY number LIMIT ${limit}`;
      return rows.map(toRow);
    },
  };
}

async function insert(tx: Tx, revocation: NewRevocation): Promise<number> {
  const sql = sqlOf(tx);
  const { tenant = null, kind, value = null, before = null, reason, operator } = revocation;
  const [row] = await sql<{ number: string }[]>`
    WITH counted AS (UPDATE revocation_counter SET number = number + 1 RETURNING number),
    inserted AS (
      INSERT INTO revocations (number, tenant, kind, value, before, reason, operator)
      SELECT number, ${tenant}::text, ${kind}, ${value}::text, to_timestamp(${before}::float8), ${reason}, ${operator}
      FROM counted RETURNING number
    )
    SELECT number, pg_notify(${REVOCATIONS_CHANNEL}, number::text) FROM inserted`;
  return safeInteger(row?.number);
}

function toRow(stored: Stored): RevocationRow {
  return {
    number: safeInteger(stored.number),
    ...(stored.tenant === null ? {} : { tenant: stored.tenant }),
    kind: stored.kind,
    ...(stored.value === null ? {} : { value: stored.value }),
    ...(stored.before === null ? {} : { before: stored.before }),
    reason: stored.reason,
    operator: stored.operator,
    createdAt: stored.created_at,
  };
}
