import { Buffer } from "node:buffer";
import type postgres from "postgres";
import {
  type AppendResult,
  type AuditEntry,
  type AuditRow,
  INSTALLATION_CHAIN,
  UNVERIFIED_CHAIN,
} from "../core/audit_entry.ts";
import { GatewayError } from "../core/errors.ts";
import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";
import { sqlOf } from "./transaction.ts";

/** Where a chain stands; `hash` in lower-case hex. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

/** An allow whose outcome is missing, with the canonical text of its event. */
export interface OpenDecisionRow {
  readonly decisionId: string;
  readonly chain: string;
  readonly seq: number;
  readonly event: string;
}

/** The audit tables: heads, events, salts, open decisions and call counters. */
export interface AuditEvents {
  /**
   * Appends one batch with one statement; durable when it resolves. Results come in the order of the entries. Has no
   * deadline of its own: wrap it in `database.deadline`.
   */
  append(entries: readonly AuditEntry[]): Promise<AppendResult[]>;
  /** The same inside a transaction, which then holds the heads of these chains until it ends: append last. */
  appendIn(tx: Tx, entries: readonly AuditEntry[]): Promise<AppendResult[]>;
  head(chain: string): Promise<ChainHead | undefined>;
  /** Names of all chains, and of those that there must be: a chain whose rows are gone is among them. */
  chains(): Promise<string[]>;
  /** Events with a greater number, in order. */
  read(chain: string, afterSeq: number, limit: number): Promise<AuditRow[]>;
  /** Those of a replica with a greater id, in order. */
  openDecisions(replicaId: string, afterId: string, limit: number): Promise<OpenDecisionRow[]>;
  /** Which of these decisions of a chain are open. */
  stillOpen(chain: string, decisionIds: readonly string[]): Promise<string[]>;
  /** Forgets the counters of blocks that expired more than an hour ago; returns how many. */
  removeExpiredCounters(): Promise<number>;
}

/** Appends that may be unanswered at once. During an outage more would only pile up, to be recorded too late. */
const MAX_UNANSWERED = 16;
/** Stands for NULL in a list of texts; neither JSON nor hex. */
const NULL_TEXT = "-";

interface Appended {
  readonly index: number;
  readonly status: "appended" | "conflict" | "full";
  readonly new_seq: string | null;
  readonly new_hash: string | null;
  readonly failed_condition: number | null;
}

export function createAuditEvents(database: Database): AuditEvents {
  const { sql, read, readEverybody } = database;
  let unanswered = 0;
  return {
    append: async (entries) => {
      if (unanswered >= MAX_UNANSWERED) {
        const message =
          `Cannot append to the audit chain: ${unanswered} earlier batches are not answered yet`;
        throw new GatewayError("database_unavailable", message);
      }
      unanswered++;
      try {
        return await append(sql, entries);
      } finally {
        unanswered--;
      }
    },
    appendIn: (tx, entries) => append(sqlOf(tx), entries),
    head: async (chain) => {
      const [row] = await read(chain, (sql) =>
        sql<{ seq: string; hash: string }[]>`
        SELECT seq, encode(hash, 'hex') AS hash FROM audit_heads WHERE chain = ${chain}`);
      return row === undefined ? undefined : { seq: safeInteger(row.seq), hash: row.hash };
    },
    chains: async () => {
      const rows = await readEverybody((sql) =>
        sql<{ chain: string }[]>`
        SELECT chain FROM audit_heads UNION SELECT name FROM tenants ORDER BY chain`
      );
      return [...new Set([...rows.map((row) => row.chain), INSTALLATION_CHAIN, UNVERIFIED_CHAIN])];
    },
    read: async (chain, afterSeq, limit) => {
      const rows = await read(chain, (sql) =>
        sql<{ seq: string; event: string; hash: string }[]>`
        SELECT seq, event, encode(hash, 'hex') AS hash FROM audit_events
        WHERE chain = ${chain} AND seq > ${afterSeq} ORDER BY seq LIMIT ${limit}`);
      return rows.map((row) => ({ seq: safeInteger(row.seq), canonical: row.event, hash: row.hash }));
    },
    openDecisions: (replicaId, afterId, limit) =>
      readEverybody((sql) => openDecisions(sql, replicaId, afterId, limit)),
    stillOpen: async (chain, decisionIds) => {
      const rows = await read(chain, (sql) =>
        sql<{ decision_id: string }[]>`
        SELECT decision_id FROM open_decisions
        WHERE chain = ${chain} AND decision_id = ANY (${[...decisionIds]}::text[])`);
      return rows.map((row) => row.decision_id);
    },
    removeExpiredCounters: async () => {
      const [row] = await sql<{ removed: string }[]>`SELECT counters_prune() AS removed`;
      return safeInteger(row?.removed);
    },
  };
}

async function append(sql: postgres.ISql, entries: readonly AuditEntry[]): Promise<AppendResult[]> {
  if (entries.length === 0) return [];
  // Lists of lines: to quote and to read 1,500 bytes of JSON as member of an array costs more than to append them. None of
  // these texts can hold a line break, and with one the lists would differ in length, which the function refuses.
  const texts = (lines: readonly string[]) => sql`string_to_array(${lines.join("\n")}, E'\\n', ${NULL_TEXT})`;
  const arrays = sql`
      ${texts(entries.map((entry) => entry.chain))},
      ${texts(entries.map((entry) => entry.eventId))},
      ${texts(entries.map((entry) => entry.canonical))},
      ARRAY(
        SELECT decode(s.salt, 'hex') FROM unnest(${
    texts(entries.map(saltText))
  }) WITH ORDINALITY AS s (salt, number)
        ORDER BY s.number
      ),
      ${texts(entries.map(conditionsText))}`;
  const appended = entries.some(({ values }) => values !== undefined)
    ? sql`audit_append_with_values(${arrays}, ${texts(entries.map(valuesText))})`
    : sql`audit_append(${arrays})`;
  const rows = await sql<Appended[]>`
    SELECT index, status, new_seq, encode(new_hash, 'hex') AS new_hash, failed_condition
    FROM ${appended} ORDER BY index`;
  if (rows.length !== entries.length) {
    throw new TypeError(`Expected ${entries.length} results of the append, got ${rows.length}`);
  }
  return rows.map(toResult);
}

function saltText({ salt }: AuditEntry): string {
  return salt === undefined ? NULL_TEXT : Buffer.from(salt).toString("hex");
}

function valuesText({ values }: AuditEntry): string {
  return values === undefined ? NULL_TEXT : JSON.stringify(values);
}

function conditionsText({ conditions }: AuditEntry): string {
  return conditions.length === 0 ? NULL_TEXT : JSON.stringify(conditions);
}

function toResult(row: Appended): AppendResult {
  if (row.status === "conflict") return { status: "conflict", condition: safeInteger(row.failed_condition) };
  if (row.status === "full") {
    return { status: "conflict", condition: safeInteger(row.failed_condition), full: true };
  }
  if (row.new_hash === null) throw new TypeError("Expected a hash of the appended event, got none");
  return { status: "appended", seq: safeInteger(row.new_seq), hash: row.new_hash };
}

async function openDecisions(
  sql: postgres.ISql,
  replicaId: string,
  afterId: string,
  limit: number,
): Promise<OpenDecisionRow[]> {
  const rows = await sql<{ decision_id: string; chain: string; seq: string; event: string }[]>`
    SELECT o.decision_id, o.chain, o.seq, e.event
    FROM open_decisions o JOIN audit_events e ON e.chain = o.chain AND e.seq = o.seq
    WHERE o.replica_id = ${replicaId} AND o.decision_id > ${afterId} ORDER BY o.decision_id LIMIT ${limit}`;
  return rows.map((row) => ({
    decisionId: row.decision_id,
    chain: row.chain,
    seq: safeInteger(row.seq),
    event: row.event,
  }));
}
