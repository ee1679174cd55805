/** Reads a chain page by page, some pages ahead of whoever takes them: the database and we work at the same time. */
import type { AuditRow } from "../core/audit_entry.ts";

/** What a walk reads. */
export interface RowReader {
  /** Events with a greater number, in order. */
  read(chain: string, afterSeq: number, limit: number): Promise<readonly AuditRow[]>;
}

/** Which events, and how they are read. */
export interface PageOrder {
  readonly chain: string;
  readonly after: number;
  /** Number of the last event to read. */
  readonly last: number;
  readonly pageEvents: number;
  /** Pages that are being read while one is in hand. */
  readonly ahead: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The pages up to `last`. Ends earlier when no more events are there, or when aborted; what is missing in between shows in
 * the numbers. Nothing is being read any more once it has ended.
 */
export async function* rowPages(reader: RowReader, order: PageOrder): AsyncGenerator<readonly AuditRow[]> {
  const { chain, last, pageEvents, ahead, signal } = order;
  let asked: { readonly after: number; readonly rows: Promise<readonly AuditRow[]> }[] = [];
  const ask = (after: number) => {
    const rows = reader.read(chain, after, Math.min(pageEvents, last - after));
    rows.catch(() => {}); // told to whoever waits for it, if anybody still does
    asked.push({ after, rows });
  };
  const end = async () => {
    await Promise.allSettled(asked.map(({ rows }) => rows));
    asked = [];
  };
  try {
    for (let after = order.after; after < last;) {
      if (asked[0]?.after !== after) {
        await end(); // a page was shorter than it was asked for
        ask(after);
      }
      if (signal?.aborted === true) return;
      const rows = await asked.shift()!.rows;
      if (rows.length === 0) return;
      for (let next = after + pageEvents; asked.length < ahead && next < last; next += pageEvents) {
        if (next > (asked.at(-1)?.after ?? after)) ask(next);
      }
      yield rows;
      after = rows.at(-1)!.seq;
    }
  } finally {
    await end();
  }
}
