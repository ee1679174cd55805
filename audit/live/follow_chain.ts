/** Follows one chain from a place on: what is there, then what comes, without a gap and without an end. */
import { Buffer } from "node:buffer";
import type { AuditRow } from "../../core/audit_entry.ts";
import { isJsonObject } from "../../core/json.ts";
import { hex } from "../digest.ts";
import { type EventTerms, fitsTerms, needlesOf } from "../event_terms.ts";
import type { ChainBounds, SeqRange } from "../search/search_events.ts";
import { TILE_WIDTH } from "../tiles.ts";
import type { HeadFeed } from "./head_feed.ts";

/** What is read; `store/audit_search.ts` and `store/audit_tree.ts` fit. */
export interface FollowedChain {
  bounds(chain: string): Promise<ChainBounds>;
  /** Events in order in which all of these texts stand, as many as begin within `maxBytes`. */
  oldest(
    chain: string,
    range: SeqRange,
    needles: readonly string[],
    limit: number,
    maxBytes: number,
  ): Promise<readonly AuditRow[]>;
  /** The hashes of a full tile of the tree. */
  fullTile(chain: string, level: number, index: number): Promise<Uint8Array | undefined>;
}

export interface FollowRequest {
  readonly chain: string;
  /** Number of the last event that is known already. */
  readonly after: number;
  readonly asked: EventTerms;
  /** After so long without an event it says how far it has looked. */
  readonly quietMs: number;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** One event; of those that retention has taken, the leaf hash in hex. */
export type FollowedEvent =
  | { readonly seq: number; readonly canonical: string }
  | { readonly seq: number; readonly leafHash: string };

/** What came; everything up to `seq` has been looked at. */
export interface Followed {
  readonly events: readonly FollowedEvent[];
  readonly seq: number;
}

/** What is in memory at once: so many events, or those that begin within so many bytes. */
const PAGE_EVENTS = 256;
const PAGE_BYTES = 1024 * 1024;
/** Events that one statement looks at. */
const WINDOW_EVENTS = 1_024;

/** After so many in which nothing fitted it says how far it has looked. */
const SILENT_PAGES = 32;

/** Reads the next page only when the one before was taken. Ends when the chain has become shorter. */
export async function* followChain(
  source: FollowedChain,
  heads: HeadFeed,
  request: FollowRequest,
): AsyncGenerator<Followed> {
  const { chain, asked, quietMs, signal } = request;
  const pages = new Pages(source, chain, asked);
  const { isFiltered } = pages;
  let { headSeq, firstSeq } = await source.bounds(chain);
  let seq = request.after;
  let silentPages = 0;
  // Retention takes from the beginning on, and nobody can tell whether what is gone would have fitted.
  if (isFiltered) seq = Math.max(seq, firstSeq - 1);
  while (!signal.aborted) {
    if (seq >= headSeq) {
      const beyond = await heads.beyond(chain, seq, quietMs, signal);
      if (signal.aborted) return;
      // What comes after a restore is another history, although its numbers go on.
      if (beyond !== undefined && beyond < seq) return;
      if (beyond === undefined) yield { events: [], seq };
      else headSeq = beyond;
      continue;
    }
    // All up to the head is committed: numbers are given in the order of commits.
    const upTo = Math.min(headSeq, seq + WINDOW_EVENTS);
    let page = await pages.stored({ after: seq, upTo });
    if (page.seq === seq) {
      firstSeq = (await source.bounds(chain)).firstSeq;
      if (firstSeq <= seq + 1) throw new Error(`Expected event ${seq + 1} of "${chain}", found none`);
      page = await pages.pruned({ after: seq, upTo: Math.min(upTo, firstSeq - 1) });
    }
    seq = page.seq;
    silentPages = page.events.length > 0 ? 0 : silentPages + 1;
    if (page.events.length > 0 || silentPages % SILENT_PAGES === 0) yield page;
  }
}

class Pages {
  readonly #source: FollowedChain;
  readonly #chain: string;
  readonly #asked: EventTerms;
  readonly #needles: readonly string[];
  readonly isFiltered: boolean;

  constructor(source: FollowedChain, chain: string, asked: EventTerms) {
    this.#source = source;
    this.#chain = chain;
    this.#asked = asked;
    this.#needles = needlesOf(asked);
    this.isFiltered = Object.values(asked).some((term) => term !== undefined);
  }

  async stored(range: SeqRange): Promise<Followed> {
    const rows = await this.#source.oldest(this.#chain, range, this.#needles, PAGE_EVENTS, PAGE_BYTES);
    if (!this.isFiltered) {
      // Only as far as none is missing: what comes after a gap waits until the gap is accounted for.
      const events = rows.filter((row, at) => row.seq === range.after + 1 + at);
      return { events: events.map(shown), seq: range.after + events.length };
    }
    const isFull = rows.length === PAGE_EVENTS || bytesOf(rows) >= PAGE_BYTES;
    return {
      events: rows.filter((row) => this.#fits(row)).map(shown),
      seq: isFull ? rows.at(-1)?.seq ?? range.upTo : range.upTo,
    };
  }

  /** Bodies go in whole tiles of leaves. */
  async pruned({ after, upTo }: SeqRange): Promise<Followed> {
    const index = Math.floor(after / TILE_WIDTH);
    const tile = await this.#source.fullTile(this.#chain, 0, index);
    if (tile === undefined) {
      throw new Error(`Expected the leaf of event ${after + 1}, found neither it nor the event`);
    }
    const last = Math.min(upTo, (index + 1) * TILE_WIDTH);
    const events = Array.from({ length: last - after }, (_, at) => {
      const offset = (after + at - index * TILE_WIDTH) * 32;
      return { seq: after + at + 1, leafHash: hex(tile.subarray(offset, offset + 32)) };
    });
    return { events, seq: last };
  }

  #fits({ canonical }: AuditRow): boolean {
    const event = JSON.parse(canonical);
    return isJsonObject(event) && fitsTerms(event, this.#asked);
  }
}

function bytesOf(rows: readonly AuditRow[]): number {
  return rows.reduce((sum, { canonical }) => sum + Buffer.byteLength(canonical, "utf8"), 0);
}

function shown({ seq, canonical }: AuditRow): FollowedEvent {
  return { seq, canonical };
}
