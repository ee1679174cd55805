import type { JsonObject } from "../core/json.ts";
import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";
import { sqlOf } from "./transaction.ts";

/** One step of an erasure: how far it is, and how many salts and texts went in all. */
export interface ErasureStep {
  readonly actionId: string;
  readonly chain: string;
  /** What was asked for. */
  readonly details: JsonObject;
  readonly confirmedBy: string;
  readonly confirmer: JsonObject;
  /** Number of the last event that was looked at, and of the last that will be: the erasure ends when both are the same. */
  readonly seq: number;
  readonly last: number;
  readonly salts: number;
  readonly values: number;
}

/** The table `audit_erasures`: what a confirmed erasure removes, step by step. */
export interface AuditErasures {
  /** In the transaction of the confirmation: the erasure is about the events that the chain has now. */
  begin(tx: Tx, actionId: string, confirmer: JsonObject): Promise<void>;
  /**
   * Looks at up to `most` more events. `undefined` when it has ended, or another transaction is at it. The step that ends it
   * is met once, and its event belongs into the same transaction.
   */
  step(tx: Tx, actionId: string, most: number): Promise<ErasureStep | undefined>;
  /** Ids of up to `most` that were begun and have not ended. */
  unfinished(most: number): Promise<readonly string[]>;
}

interface Stepped {
  readonly erased_chain: string;
  readonly asked: JsonObject;
  readonly confirmed_by: string;
  readonly confirmed_as: JsonObject;
  readonly done_seq: string;
  readonly last_seq: string;
  readonly salts: string;
  readonly texts: string;
}

export function createAuditErasures({ readEverybody }: Database): AuditErasures {
  return {
    begin: async (tx, actionId, confirmer) => {
      const sql = sqlOf(tx);
      await sql`SELECT audit_erase_begin(${actionId}, ${sql.json(confirmer)})`;
    },
    step: async (tx, actionId, most) => {
      const [row] = await sqlOf(tx)<Stepped[]>`SELECT * FROM audit_erase_step(${actionId}, ${most})`;
      return row === undefined ? undefined : {
        ...{ actionId, chain: row.erased_chain, details: row.asked },
        ...{ confirmedBy: row.confirmed_by, confirmer: row.confirmed_as },
        ...{ seq: safeInteger(row.done_seq), last: safeInteger(row.last_seq) },
        ...{ salts: safeInteger(row.salts), values: safeInteger(row.texts) },
      };
    },
    unfinished: async (most) => {
      const rows = await readEverybody((sql) =>
        sql<{ action_id: string }[]>`
        SELECT action_id FROM audit_erasures WHERE done_seq < last_seq ORDER BY action_id LIMIT ${most}`
      );
      return rows.map((row) => row.action_id);
    },
  };
}
