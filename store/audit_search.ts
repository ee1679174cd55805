import { Buffer } from "node:buffer";
import type { AuditRow } from "../core/audit_entry.ts";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";

/** Events after `after` and up to `upTo`. */
interface SeqRange {
  readonly after: number;
  readonly upTo: number;
}

interface SegmentRange {
  readonly from: number;
  readonly to: number;
}

/** The index rows of one segment, as its builder makes them. */
export interface SegmentRows {
  readonly firstTime: number;
  readonly lastTime: number;
  readonly times: Uint8Array;
  /** By 64-bit hash, as text. */
  readonly hits: ReadonlyMap<string, Uint8Array>;
}

/** The tables of the search index, and the events as search and stream read them. */
export interface AuditSearchTables {
  /** First and last event that are there, 0 when none are, and how many segments are indexed. */
  bounds(chain: string): Promise<
    { readonly firstSeq: number; readonly headSeq: number; readonly segments: number }
  >;
  /** Numbers of the last events. */
  headSeqs(chains: readonly string[]): Promise<ReadonlyMap<string, number>>;
  segmentsWithin(
    chain: string,
    range: SegmentRange,
    time: { readonly from: number; readonly to: number },
  ): Promise<ReadonlyMap<number, Uint8Array | undefined>>;
  segmentsWith(
    chain: string,
    range: SegmentRange,
    terms: readonly string[],
  ): Promise<ReadonlyMap<number, readonly Uint8Array[]>>;
  newest(
    chain: string,
    range: SeqRange,
    needles: readonly string[],
    limit: number,
  ): Promise<readonly AuditRow[]>;
  /** The same in order, as many as begin within `maxBytes`. */
  oldest(
    chain: string,
    range: SeqRange,
    needles: readonly string[],
    limit: number,
    maxBytes?: number,
  ): Promise<readonly AuditRow[]>;
  events(chain: string, seqs: readonly number[]): Promise<readonly AuditRow[]>;
  progress(): Promise<
    readonly { readonly chain: string; readonly headSeq: number; readonly segments: number }[]
  >;
  lead(replicaId: string, leaseSeconds: number): Promise<boolean>;
  add(chain: string, segment: number, rows: SegmentRows): Promise<boolean>;
  /** Removes what the index still says of events that retention has taken. */
  forget(chain: string): Promise<void>;
}

/** Array type of bytea, as in store/audit_events.ts. */
const BYTEA = 17;

interface Stored {
  readonly seq: string;
  readonly event: string;
  readonly hash: string;
}

export function createAuditSearch(database: Database): AuditSearchTables {
  return { ...indexReads(database), ...eventReads(database), ...indexWrites(database) };
}

function indexReads({ read }: Database) {
  return {
    async bounds(chain: string) {
      // One statement, one snapshot.
      const [row] = await read(
        chain,
        (sql) =>
          sql<{ head: string; first: string | null; segment: number | null }[]>`
        SELECT h.seq AS head,
          (SELECT e.seq FROM audit_events e WHERE e.chain = h.chain ORDER BY e.seq LIMIT 1) AS first,
          (
            SELECT s.segment FROM audit_search_segments s WHERE s.chain = h.chain ORDER BY s.segment DESC LIMIT 1
          ) AS segment
        FROM audit_heads h WHERE h.chain = ${chain}`,
      );
      return {
        firstSeq: safeInteger(row?.first ?? 0),
        headSeq: safeInteger(row?.head ?? 0),
        segments: row?.segment === undefined || row.segment === null ? 0 : row.segment + 1,
      };
    },
    async segmentsWithin(
      chain: string,
      range: SegmentRange,
      time: { readonly from: number; readonly to: number },
    ) {
      const rows = await read(chain, (sql) =>
        sql<{ segment: number; times: Uint8Array | null }[]>`
        SELECT segment, CASE WHEN first_time >= ${time.from} AND last_time < ${time.to} THEN NULL ELSE times END AS times
        FROM audit_search_segments
        WHERE chain = ${chain} AND segment >= ${range.from} AND segment < ${range.to}
          AND last_time >= ${time.from} AND first_time < ${time.to}`);
      return new Map(rows.map(({ segment, times }) => [segment, times ?? undefined]));
    },
    async segmentsWith(chain: string, range: SegmentRange, terms: readonly string[]) {
      const rows = await read(chain, (sql) =>
        sql<{ segment: number; hits: Uint8Array }[]>`
        SELECT segment, hits FROM audit_search_terms
        WHERE chain = ${chain} AND term = ANY (${[...terms]}::bigint[])
          AND segment >= ${range.from} AND segment < ${range.to}`);
      const found = new Map<number, Uint8Array[]>();
      for (const { segment, hits } of rows) {
        const of = found.get(segment);
        if (of === undefined) found.set(segment, [hits]);
        else of.push(hits);
      }
      for (const [segment, of] of found) if (of.length < new Set(terms).size) found.delete(segment);
      return found;
    },
  };
}

function eventReads({ read, readEverybody }: Database) {
  return {
    async headSeqs(chains: readonly string[]) {
      const rows = await read([...chains], (sql) =>
        sql<{ chain: string; seq: string }[]>`
        SELECT chain, seq FROM audit_heads WHERE chain = ANY (${[...chains]}::text[])`);
      return new Map(rows.map(({ chain, seq }) => [chain, safeInteger(seq)]));
    },
    async newest(chain: string, { after, upTo }: SeqRange, needles: readonly string[], limit: number) {
      const rows = await read(chain, (sql) =>
        sql<Stored[]>`
        SELECT seq, event, encode(hash, 'hex') AS hash FROM audit_events
        WHERE chain = ${chain} AND seq > ${after} AND seq <= ${upTo}
          AND NOT EXISTS (SELECT FROM unnest(${[
          ...needles,
        ]}::text[]) AS needle WHERE strpos(event, needle) = 0)
        ORDER BY seq DESC LIMIT ${limit}`);
      return rows.map(toRow);
    },
    async oldest(
      chain: string,
      { after, upTo }: SeqRange,
      needles: readonly string[],
      limit: number,
      maxBytes = Number.MAX_SAFE_INTEGER,
    ) {
      const rows = await read(chain, (sql) =>
        sql<Stored[]>`
        SELECT seq, event, encode(hash, 'hex') AS hash FROM (
          SELECT seq, event, hash, sum(octet_length(event)) OVER (ORDER BY seq) - octet_length(event) AS begins
          FROM audit_events
          WHERE chain = ${chain} AND seq > ${after} AND seq <= ${upTo}
            AND NOT EXISTS (SELECT FROM unnest(${[
          ...needles,
        ]}::text[]) AS needle WHERE strpos(event, needle) = 0)
          ORDER BY seq LIMIT ${limit}
        ) AS page WHERE begins < ${maxBytes} ORDER BY seq`);
      return rows.map(toRow);
    },
    async events(chain: string, seqs: readonly number[]) {
      const rows = await read(chain, (sql) =>
        sql<Stored[]>`
        SELECT seq, event, encode(hash, 'hex') AS hash FROM audit_events
        WHERE chain = ${chain} AND seq = ANY (${[...seqs]}::bigint[])`);
      return rows.map(toRow);
    },
    async progress() {
      const rows = await readEverybody((sql) =>
        sql<{ chain: string; seq: string; segments: number }[]>`
        SELECT h.chain, h.seq, coalesce(s.segment + 1, 0) AS segments
        FROM audit_heads h LEFT JOIN LATERAL (
          SELECT s.segment FROM audit_search_segments s WHERE s.chain = h.chain ORDER BY s.segment DESC LIMIT 1
        ) s ON true ORDER BY h.chain`
      );
      return rows.map(({ chain, seq, segments }) => ({ chain, headSeq: safeInteger(seq), segments }));
    },
  };
}

function indexWrites({ sql }: Database) {
  return {
    async lead(replicaId: string, leaseSeconds: number) {
      const [row] = await sql<{ leads: boolean }[]>`
        SELECT audit_search_lead(${replicaId}, ${leaseSeconds}) AS leads`;
      return row?.leads === true;
    },
    async add(chain: string, segment: number, { firstTime, lastTime, times, hits }: SegmentRows) {
      const [row] = await sql<{ added: boolean }[]>`
        SELECT audit_search_add(
          ${chain}, ${segment}, ${firstTime}, ${lastTime}, ${Buffer.from(times)},
          ${[...hits.keys()]}::bigint[],
          ${sql.array([...hits.values()].map((one) => Buffer.from(one)), BYTEA)}::bytea[]
        ) AS added`;
      return row?.added === true;
    },
    async forget(chain: string) {
      await sql`SELECT audit_search_forget(${chain})`;
    },
  };
}

function toRow({ seq, event, hash }: Stored): AuditRow {
  return { seq: safeInteger(seq), hash, canonical: event };
}
