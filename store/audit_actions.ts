import type postgres from "postgres";
import type { JsonObject } from "../core/json.ts";
import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { sqlOf } from "./transaction.ts";

/** A change of the record that one operator asked for. `id` is that of the event that asked. Times are epoch seconds. */
export interface AuditActionRow {
  readonly id: string;
  readonly chain: string;
  readonly kind: "prune" | "erase";
  readonly details: JsonObject;
  readonly requestedBy: string;
  readonly requestedAt: number;
  readonly expiresAt: number;
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
  /** Those of some chains that wait, after an id, in order; without chains those of all. */
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
        sql<Stored[]>`
          SELECT ${columns(sql)} FROM audit_actions
          WHERE id > ${after} AND (${only}::text[] IS NULL OR chain = ANY (${only}::text[])) AND ${waits(sql)}
          ORDER BY id LIMIT ${limit}`;
      return (await (chains === undefined ? readEverybody(query) : read(chains, query))).map(toRow);
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
