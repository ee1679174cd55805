/** Reads a range of events page by page, and never more at once than a page may hold, whatever the events are like. */
import type { AuditRow } from "../../core/audit_entry.ts";

/** What is read; `store/audit_search.ts` fits. */
export interface PageSource {
  /** Events after `after` and up to `upTo` in order, in which all of these texts stand, as many as begin within `maxBytes`. */
  oldest(
    chain: string,
    range: { readonly after: number; readonly upTo: number },
    needles: readonly string[],
    limit: number,
    maxBytes: number,
  ): Promise<readonly AuditRow[]>;
}

const PAGE_EVENTS = 1_000;
const PAGE_BYTES = 2 * 1024 * 1024;

/** The pages from `first` to `last`. Events that are not there are left out. */
export async function* eventPages(
  source: PageSource,
  chain: string,
  { first, last }: { readonly first: number; readonly last: number },
): AsyncGenerator<readonly AuditRow[]> {
  for (let after = first - 1; after < last;) {
    const rows = await source.oldest(chain, { after, upTo: last }, [], PAGE_EVENTS, PAGE_BYTES);
    if (rows.length === 0) return;
    after = rows.at(-1)?.seq ?? last;
    yield rows;
  }
}
