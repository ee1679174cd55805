import { INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";
import { sqlOf } from "./transaction.ts";

/** The beginning of a chain whose bodies may be gone, and the events that account for it. */
export interface PrunedRow {
  readonly to: number;
  readonly requestSeq: number;
  readonly eventSeq: number;
}

/** The table `audit_prunes`, and what may be pruned. */
export interface AuditPrunes {
  /** The last prune, which accounts for everything up to its end. */
  pruned(chain: string): Promise<PrunedRow | undefined>;
  /** The first salt or text up to `to` whose event is gone: there must be none. */
  strandedSalt(chain: string, to: number): Promise<number | undefined>;
  /**
   * The last event that is older than so many days, is signed, and has neither an allow before it that owes its outcome nor
   * the newest start of a gateway, which the next one is compared with.
   */
  prunableTo(chain: string, days: number): Promise<number>;
  /** Says in the transaction of the event `seq` that it accounts for a confirmed action. */
  record(tx: Tx, actionId: string, seq: number): Promise<void>;
  /** Removes up to `most` bodies that are accounted for under a signed checkpoint; returns how many. */
  removeBodies(most: number): Promise<number>;
}

export function createAuditPrunes({ sql, read }: Database): AuditPrunes {
  return {
    pruned: async (chain) => {
      const [row] = await read(
        chain,
        (sql) =>
          sql<{ to_seq: string; request_seq: string; event_seq: string }[]>`
        SELECT to_seq, request_seq, event_seq FROM audit_prunes
        WHERE chain = ${chain} ORDER BY to_seq DESC LIMIT 1`,
      );
      if (row === undefined) return undefined;
      return {
        to: safeInteger(row.to_seq),
        requestSeq: safeInteger(row.request_seq),
        eventSeq: safeInteger(row.event_seq),
      };
    },
    strandedSalt: async (chain, to) => {
      const [row] = await read(chain, (sql) =>
        sql<{ seq: string | null }[]>`
        SELECT min(s.seq) AS seq
        FROM (
          SELECT seq FROM audit_salts WHERE chain = ${chain} AND seq <= ${to}
          UNION ALL SELECT seq FROM audit_values WHERE chain = ${chain} AND seq <= ${to}
        ) s
        WHERE NOT EXISTS (SELECT FROM audit_events e WHERE e.chain = ${chain} AND e.seq = s.seq)`);
      return row?.seq == null ? undefined : safeInteger(row.seq);
    },
    prunableTo: async (chain, days) => {
      // What a checkpoint covers is older than the checkpoint.
      const [row] = await read(chain, (sql) =>
        sql<{ size: string }[]>`
        SELECT least(
          (SELECT coalesce(max(c.size), 0) FROM audit_checkpoints c
            WHERE c.chain = ${chain} AND c.signed_at < clock_timestamp() - make_interval(days => ${days})),
          (SELECT min(o.seq) - 1 FROM open_decisions o WHERE o.chain = ${chain}),
          (SELECT s.seq - 1 FROM (
            SELECT e.seq FROM audit_events e
            WHERE ${chain} = ${INSTALLATION_CHAIN} AND e.chain = ${chain}
              AND strpos(e.event, '"event_code":"gateway.started"') > 0
            ORDER BY e.seq DESC LIMIT 1
          ) s)
        ) AS size`);
      return safeInteger(row?.size);
    },
    record: async (tx, actionId, seq) => void await sqlOf(tx)`SELECT audit_prune_record(${actionId}, ${seq})`,
    removeBodies: async (most) => {
      const [row] = await sql<{ removed: string }[]>`SELECT audit_prune_bodies(${most}) AS removed`;
      return safeInteger(row?.removed);
    },
  };
}
