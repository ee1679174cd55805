import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";

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
  };
}
