/** Finds events of one chain, the newest first, by the index and by looking at what it does not cover yet. */
import type { AuditRow } from "../../core/audit_entry.ts";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { type EventTerms, fitsTerms, needlesOf, wantedTerms } from "../event_terms.ts";
import { EventSet, SEGMENT_EVENTS, type TermHash, termHash } from "./segment.ts";

/** How far a chain and its index reach. */
export interface ChainBounds {
  /** Numbers of the first event that retention has left and of the last; 0 in a chain without events. */
  readonly firstSeq: number;
  readonly headSeq: number;
  /** How many segments are indexed: all from the first on. */
  readonly segments: number;
}

/** A part of a chain: events after `after` and up to `upTo`, sequence numbers. */
export interface SeqRange {
  readonly after: number;
  readonly upTo: number;
}

/** Segments from `from` on and before `to`. */
export interface SegmentRange {
  readonly from: number;
  readonly to: number;
}

/** What is read; `store/audit_search.ts` fits. */
export interface SearchIndex {
  bounds(chain: string): Promise<ChainBounds>;
  /** Which of these segments have events of this time, and their times unless all of them are. Epoch milliseconds. */
  segmentsWithin(
    chain: string,
    range: SegmentRange,
    time: { readonly from: number; readonly to: number },
  ): Promise<ReadonlyMap<number, Uint8Array | undefined>>;
  /** The hits of segments that have all of these terms. */
  segmentsWith(
    chain: string,
    range: SegmentRange,
    terms: readonly TermHash[],
  ): Promise<ReadonlyMap<number, readonly Uint8Array[]>>;
  /** Events in which all of these texts stand, the newest first. */
  newest(
    chain: string,
    range: SeqRange,
    needles: readonly string[],
    limit: number,
  ): Promise<readonly AuditRow[]>;
  /** These events, in any order. */
  events(chain: string, seqs: readonly number[]): Promise<readonly AuditRow[]>;
}

export interface SearchRequest {
  readonly chain: string;
  readonly asked: EventTerms;
  /** Events before this one; absent: from the newest on. */
  readonly before?: number | undefined;
  readonly limit: number;
  /** Whether the search has taken as long as it may: it then gives what it has. */
  readonly isLate: () => boolean;
}

/** One event that was found. */
export interface FoundEvent {
  readonly seq: number;
  readonly hash: string;
  readonly event: JsonObject;
}

export interface SearchResult {
  readonly events: readonly FoundEvent[];
  /** Everything from here on was looked at; absent when nothing older is left. */
  readonly nextBefore?: number;
  /** Last event that the index covers. */
  readonly indexedTo: number;
}

/** Segments that are looked at in one step: few first, because the newest are mostly enough. */
const FIRST_STEP = 16;
const LONGEST_STEP = 512;
/** Events of the tail that one statement looks at: 60 MB of the largest. */
const TAIL_EVENTS = 1_024;
/** Events of the tail that one statement gives: few first, more when they do not fit. */
const FIRST_ROWS = 128;
const MOST_ROWS = 512;

/** Looks until it has `limit` events, has seen everything, or is late. Every step is bounded, whatever is asked. */
export async function searchEvents(index: SearchIndex, request: SearchRequest): Promise<SearchResult> {
  const bounds = await index.bounds(request.chain);
  const indexedTo = bounds.segments * SEGMENT_EVENTS;
  const search = new Search(index, request, bounds);
  await search.lookAtTail(indexedTo);
  for (let step = FIRST_STEP; search.goesOn(); step = Math.min(step * 4, LONGEST_STEP)) {
    const to = Math.ceil((search.before - 1) / SEGMENT_EVENTS);
    await search.lookAtSegments({ from: Math.max(0, to - step), to });
  }
  return search.result(indexedTo);
}

class Search {
  readonly #index: SearchIndex;
  readonly #request: SearchRequest;
  readonly #needles: readonly string[];
  readonly #terms: readonly TermHash[];
  readonly #found: FoundEvent[] = [];
  readonly #firstSeq: number;
  #steps = 0;
  /** Everything from here on was looked at. */
  before: number;

  constructor(index: SearchIndex, request: SearchRequest, { firstSeq, headSeq }: ChainBounds) {
    this.#index = index;
    this.#request = request;
    this.#firstSeq = Math.max(1, firstSeq);
    this.before = Math.min(request.before ?? Infinity, headSeq + 1);
    this.#needles = needlesOf(request.asked);
    this.#terms = wantedTerms(request.asked).map(([name, value]) => termHash(name, value));
  }

  /** However late it is, the first step is made: whoever asks again and again comes to the end. */
  goesOn(): boolean {
    return this.#isMore() && this.#missing() > 0 && (this.#steps === 0 || !this.#request.isLate());
  }

  result(indexedTo: number): SearchResult {
    const events = this.#found;
    return { events, indexedTo, ...(this.#isMore() ? { nextBefore: this.before } : {}) };
  }

  /** What is not indexed: the texts themselves. */
  async lookAtTail(indexedTo: number): Promise<void> {
    for (
      let rows = FIRST_ROWS;
      this.before - 1 > indexedTo && this.goesOn();
      rows = Math.min(rows * 2, MOST_ROWS)
    ) {
      this.#steps++;
      const range = { after: Math.max(indexedTo, this.before - 1 - TAIL_EVENTS), upTo: this.before - 1 };
      const found = await this.#index.newest(this.#request.chain, range, this.#needles, rows);
      for (const row of found) {
        this.#take(row);
        this.before = row.seq;
        if (this.#missing() === 0) return;
      }
      if (found.length < rows) this.before = range.after + 1;
    }
  }

  async lookAtSegments(range: SegmentRange): Promise<void> {
    this.#steps++;
    let seqs: number[] = [];
    for (const [segment, set] of await this.#candidates(range)) {
      for (const offset of set.newestFirst()) {
        const seq = segment * SEGMENT_EVENTS + 1 + offset;
        if (seq >= this.before) continue;
        seqs.push(seq);
        if (seqs.length < this.#missing()) continue;
        await this.#lookAt(seqs);
        if (!this.goesOn()) return; // where it stopped is in `before`
        seqs = [];
      }
    }
    if (seqs.length > 0) await this.#lookAt(seqs);
    this.before = Math.min(this.before, range.from * SEGMENT_EVENTS + 1);
  }

  #isMore(): boolean {
    return this.before > this.#firstSeq;
  }

  #missing(): number {
    return this.#request.limit - this.#found.length;
  }

  /** Looks at these events, whose numbers fall. */
  async #lookAt(seqs: readonly number[]): Promise<void> {
    const rows = await this.#index.events(this.#request.chain, seqs);
    for (const row of [...rows].sort((left, right) => right.seq - left.seq)) this.#take(row);
    this.before = seqs.at(-1) ?? this.before;
  }

  /** What the index promises is looked at again: two terms may have one hash. */
  #take({ seq, hash, canonical }: AuditRow): void {
    const event = JSON.parse(canonical);
    if (isJsonObject(event) && fitsTerms(event, this.#request.asked)) this.#found.push({ seq, hash, event });
  }

  /** The segments that may hold something, the newest first, with the events to look at. */
  async #candidates(range: SegmentRange): Promise<readonly (readonly [number, EventSet])[]> {
    const { chain, asked: { from_time: from, to_time: to } } = this.#request;
    const time = { from: (from ?? -Infinity) * 1000, to: (to ?? Infinity) * 1000 };
    const isTimed = from !== undefined || to !== undefined;
    const within = isTimed ? await this.#index.segmentsWithin(chain, range, time) : undefined;
    const inTime = within === undefined ? range : spanOf([...within.keys()]);
    if (inTime.from === inTime.to) return [];
    const withTerms = this.#terms.length === 0
      ? undefined
      : await this.#index.segmentsWith(chain, inTime, this.#terms);
    const segments = withTerms === undefined ? segmentsOf(inTime) : [...withTerms.keys()];
    return segments.filter((segment) => within?.has(segment) ?? true).sort((left, right) => right - left)
      .map((segment) => {
        const set = EventSet.all();
        for (const hits of withTerms?.get(segment) ?? []) set.keepIn(EventSet.of(hits));
        const times = within?.get(segment);
        if (times !== undefined) set.keepWithin(times, time.from, time.to);
        return [segment, set] as const;
      });
  }
}

function spanOf(segments: readonly number[]): SegmentRange {
  return segments.length === 0 ? { from: 0, to: 0 } : {
    from: Math.min(...segments),
    to: Math.max(...segments) + 1,
  };
}

function segmentsOf({ from, to }: SegmentRange): readonly number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}
