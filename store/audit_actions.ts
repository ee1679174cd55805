import type postgres from "postgres";
import type { JsonObject } from "../core/json.ts";
import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";
import { sqlOf } from "./transaction.ts";

/** How far a confirmed erasure is: up to which event it has looked, of those up to `last`, and what went. */
export interface ErasingRow {
  readonly seq: number;
  readonly last: number;
  readonly salts: number;
  readonly values: number;
}

/** A change of the record that one operator asked for. `id` is that of the event that asked. Times are epoch seconds. */
export interface AuditActionRow {
  readonly id: string;
  readonly chain: string;
  readonly kind: "prune" | "erase";
  readonly details: JsonObject;
  readonly requestedBy: string;
  readonly requestedAt: number;
  readonly expiresAt: number;
  /** Another operator confirmed it, and it is under way. */
  readonly confirmedBy?: string;
  readonly erasing?: ErasingRow;
}

/** An action to ask for, with the sequence number of the event that asks. */
export interface NewAuditAction
  extends Pick<AuditActionRow, "id" | "chain" | "kind" | "details" | "requestedBy"> {
  readonly requestSeq: number;
  readonly ttlSeconds: number;
  /** Most actions of the chain that may wait at once. */
  readonly most: number;
}

/** The table `audit_actions`. Expiry is measured by the clock of the database. */
export interface AuditActionsTable {
  /** When it expires; `undefined` when too many of the chain wait. */
  request(tx: Tx, action: NewAuditAction): Promise<number | undefined>;
  /** False when it is no longer to be confirmed, or not by this operator. */
  confirm(tx: Tx, id: string, operator: string): Promise<boolean>;
  /** One that waits, and whether the token of its asker was made by `operator` or the other way round. */
  findPending(
    id: string,
    operator: string,
  ): Promise<AuditActionRow & { readonly isRelated: boolean } | undefined>;
  /** Those of some chains that wait or are under way, after an id, in order; without chains those of all. */
  pending(after: string, limit: number, chains?: readonly string[]): Promise<AuditActionRow[]>;
}

interface Stored {
  readonly id: string;
  readonly chain: string;
  readonly kind: AuditActionRow["kind"];
  readonly details: JsonObject;
  readonly requested_by: string;
  readonly requested_at: number;
  readonly expires_at: number;
}
interface StoredErasing {
  readonly confirmed_by: string | null;
  readonly done_seq: string | null;
  readonly last_seq: string | null;
  readonly salts: string | null;
  readonly texts: string | null;
}

export function createAuditActions({ read, readEverybody }: Database): AuditActionsTable {
  return {
    request,
    confirm: async (tx, id, operator) => {
      const [row] = await sqlOf(tx)<{ confirmed: boolean }[]>`
        SELECT audit_action_confirm(${id}, ${operator}) AS confirmed`;
      return row?.confirmed === true;
    },
    findPending: async (id, operator) => {
      const [row] = await readEverybody((sql) =>
        sql<(Stored & { is_related: boolean })[]>`
        SELECT ${columns(sql)}, EXISTS (
          SELECT FROM operators o
          WHERE o.id = requested_by AND o.created_by = ${operator}
            OR o.id = ${operator} AND o.created_by = requested_by
        ) AS is_related
        FROM audit_actions WHERE id = ${id} AND ${waits(sql)}`
      );
      return row === undefined ? undefined : { ...toRow(row), isRelated: row.is_related };
    },
    pending: async (after, limit, chains) => {
      const only = chains === undefined ? null : [...chains];
      const query = (sql: postgres.ISql) =>
        sql<(Stored & StoredErasing)[]>`
          SELECT ${columns(sql)}, confirmed_by, e.done_seq, e.last_seq, e.salts, e.texts
          FROM audit_actions
          LEFT JOIN LATERAL (
            SELECT done_seq, last_seq, salts, texts FROM audit_erasures u
            WHERE u.action_id = id AND u.done_seq < u.last_seq
          ) e ON true
          WHERE id > ${after} AND (${only}::text[] IS NULL OR chain = ANY (${only}::text[]))
            AND (${waits(sql)} OR e.last_seq IS NOT NULL)
          ORDER BY id LIMIT ${limit}`;
      const rows = await (chains === undefined ? readEverybody(query) : read(chains, query));
      return rows.map((row) => ({ ...toRow(row), ...erasingOf(row) }));
    },
  };
}

async function request(tx: Tx, action: NewAuditAction): Promise<number | undefined> {
  const sql = sqlOf(tx);
  const [row] = await sql<{ expires_at: number | null }[]>`
    SELECT extract(epoch FROM audit_action_request(
      ${action.id}, ${action.chain}, ${action.kind}, ${sql.json(action.details)}, ${action.requestSeq},
      ${action.requestedBy}, ${action.ttlSeconds}, ${action.most}
    ))::float8 AS expires_at`;
  return row?.expires_at ?? undefined;
}

function erasingOf({ confirmed_by, done_seq, last_seq, salts, texts }: StoredErasing) {
  if (confirmed_by === null || done_seq === null) return {};
  const [seq, last] = [safeInteger(done_seq), safeInteger(last_seq)];
  return {
    confirmedBy: confirmed_by,
    erasing: {
      ...{ seq, last, salts: safeInteger(salts), values: safeInteger(texts) },
    },
  };
}

function waits(sql: postgres.ISql) {
  return sql`confirmed_by IS NULL AND expires_at > clock_timestamp()`;
}

function columns(sql: postgres.ISql) {
  return sql`id, chain, kind, details, requested_by, extract(epoch FROM requested_at)::float8 AS requested_at,
    extract(epoch FROM expires_at)::float8 AS expires_at`;
}

function toRow(stored: Stored): AuditActionRow {
  const { id, chain, kind, details } = stored;
  return {
    ...{ id, chain, kind, details, requestedBy: stored.requested_by },
    ...{ requestedAt: stored.requested_at, expiresAt: stored.expires_at },
  };
}
