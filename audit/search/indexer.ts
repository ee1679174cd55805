/** Fills the search index from the committed chains while the process runs, gently, so that calls do not notice. */
import type { AuditRow } from "../../core/audit_entry.ts";
import { SEGMENT_EVENTS, SegmentBuilder, type SegmentIndex } from "./segment.ts";
import type { ChainBounds, SeqRange } from "./search_events.ts";

/** A chain and how far it is. */
export interface IndexedChain extends Pick<ChainBounds, "headSeq" | "segments"> {
  readonly chain: string;
}

/** What the indexer reads and writes; `store/audit_search.ts` fits. */
export interface IndexerStore {
  /** All chains. */
  progress(): Promise<readonly IndexedChain[]>;
  /** Whether this replica fills the index from now on until it is asked again. */
  lead(): Promise<boolean>;
  /** Events in order in which all of these texts stand. */
  oldest(
    chain: string,
    range: SeqRange,
    needles: readonly string[],
    limit: number,
  ): Promise<readonly AuditRow[]>;
  /** False when another replica was faster. */
  add(chain: string, segment: number, index: SegmentIndex): Promise<boolean>;
  /** Removes what the index still says of events that retention has taken. */
  forget(chain: string): Promise<void>;
}

export interface IndexerOptions {
  readonly store: IndexerStore;
  readonly onError: (error: unknown) => void;
  /** A clock that never steps, milliseconds. */
  readonly steadyMs: () => number;
  readonly intervalMs?: number;
  /** Pause after a page, for each millisecond that the page took. */
  readonly pausePerMs?: number;
}

export interface Indexer {
  start(): void;
  /** Indexes all full segments now. */
  indexAll(): Promise<void>;
  /** Events in full segments that are not indexed yet, at the last look. */
  behind(): number;
  close(): Promise<void>;
}

const INTERVAL_MS = 2_000;
/** The process works on the index for a fifth of the time at most. */
const PAUSE_PER_MS = 4;
/** Some milliseconds of work, in which nothing else of the process runs. */
const PAGE_EVENTS = 128;

/** Nothing runs until it is started. */
export function createIndexer(options: IndexerOptions): Indexer {
  return new Rounds(options);
}

class Rounds implements Indexer {
  readonly #options: IndexerOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #round: Promise<void> = Promise.resolve();
  #isClosed = false;
  #behind = 0;

  constructor(options: IndexerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#round = this.indexAll().catch(this.#options.onError).finally(() =>
        this.#isClosed || this.start()
      );
    }, this.#options.intervalMs ?? INTERVAL_MS);
  }

  behind(): number {
    return this.#behind;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  async indexAll(): Promise<void> {
    const { store } = this.#options;
    const chains = await store.progress();
    this.#behind = chains.reduce((sum, chain) => sum + waiting(chain), 0);
    for (const chain of chains) {
      try {
        if (!await this.#indexChain(chain)) return;
      } catch (error) {
        // An event that cannot be read must not keep the index of other chains back.
        this.#options.onError(error);
      }
    }
  }

  /** False when this replica must not go on. */
  async #indexChain({ chain, headSeq, segments }: IndexedChain): Promise<boolean> {
    const { store } = this.#options;
    for (let segment = segments; (segment + 1) * SEGMENT_EVENTS <= headSeq; segment++) {
      // Asked for every segment: one takes much less time than the lease lasts.
      if (this.#isClosed || !await store.lead() || !await this.#index(chain, segment)) return false;
      await store.forget(chain);
      this.#behind -= SEGMENT_EVENTS;
    }
    return true;
  }

  async #index(chain: string, segment: number): Promise<boolean> {
    const { store, steadyMs, pausePerMs = PAUSE_PER_MS } = this.#options;
    const [first, last] = [segment * SEGMENT_EVENTS, (segment + 1) * SEGMENT_EVENTS];
    const builder = new SegmentBuilder();
    for (let after = first; after < last; after += PAGE_EVENTS) {
      if (this.#isClosed) return false;
      const startedMs = steadyMs();
      const range = { after, upTo: Math.min(after + PAGE_EVENTS, last) };
      for (const { seq, canonical } of await store.oldest(chain, range, [], PAGE_EVENTS)) {
        builder.add(seq - 1 - first, JSON.parse(canonical));
      }
      if (pausePerMs > 0) await pause((steadyMs() - startedMs) * pausePerMs);
    }
    return await store.add(chain, segment, builder.build());
  }
}

function waiting({ headSeq, segments }: IndexedChain): number {
  return Math.max(0, Math.floor(headSeq / SEGMENT_EVENTS) - segments) * SEGMENT_EVENTS;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
