import type { Tx } from "../core/tx.ts";
import { REVOCATIONS_CHANNEL } from "./revocation_feed.ts";
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
}

export function createRevocations(): RevocationsTable {
  return { insert };
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
