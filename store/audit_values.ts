import type { JsonObject } from "../core/json.ts";
import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";
import { sqlOf } from "./transaction.ts";

/** What stands beside one event: its salt, and texts that the event has only digests of. */
export interface PrivateRow {
  readonly seq: number;
  readonly salt: Uint8Array | undefined;
  readonly values: Readonly<Record<string, string>>;
}

/** The tables `audit_values` and `audit_salts`. */
export interface AuditValues {
  /** What stands beside these events; nothing for those that have nothing. */
  read(chain: string, seqs: readonly number[]): Promise<PrivateRow[]>;
  /** Removes salts and texts of the events that fit one of `event`, `agent` and `user`, and the times; how many went. */
  erase(
    tx: Tx,
    chain: string,
    filter: JsonObject,
  ): Promise<{ readonly salts: number; readonly values: number }>;
}

export function createAuditValues({ read }: Database): AuditValues {
  return {
    read: async (chain, seqs) => {
      const wanted = [...seqs];
      const rows = await read(
        chain,
        (sql) =>
          sql<{ seq: string; salt: Uint8Array | null; texts: Record<string, string> | null }[]>`
        SELECT coalesce(s.seq, v.seq) AS seq, s.salt, v.texts
        FROM (SELECT seq, salt FROM audit_salts WHERE chain = ${chain} AND seq = ANY (${wanted}::bigint[])) s
        FULL JOIN (
          SELECT seq, jsonb_object_agg(field, value) AS texts FROM audit_values
          WHERE chain = ${chain} AND seq = ANY (${wanted}::bigint[]) GROUP BY seq
        ) v ON v.seq = s.seq`,
      );
      return rows.map(({ seq, salt, texts }) => ({
        ...{ seq: safeInteger(seq), salt: salt ?? undefined, values: texts ?? {} },
      }));
    },
    erase: async (tx, chain, { event, agent, user, from_time, to_time }) => {
      const [row] = await sqlOf(tx)<{ salts: string; texts: string }[]>`
        SELECT salts, texts FROM audit_erase(
          ${chain}, ${Number.MAX_SAFE_INTEGER}, ${textOf(event)}, ${textOf(agent)}, ${textOf(user)},
          ${secondsOf(from_time)}::float8, ${secondsOf(to_time)}::float8
        )`;
      return { salts: safeInteger(row?.salts), values: safeInteger(row?.texts) };
    },
  };
}

function textOf(value: JsonObject[string]): string | null {
  return typeof value === "string" ? value : null;
}

function secondsOf(value: JsonObject[string]): number | null {
  return typeof value === "number" ? value : null;
}
