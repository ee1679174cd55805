/** What callers may list, kept for a moment: by caller and by everything that the answers depend on. */
import type { Hider } from "./listing.ts";

/** How long an answer counts. */
export const LIST_TTL_MS = 5_000;

/** How much is kept. The holder of one token can push out only entries of that same token, until all are full. */
export interface ListCacheLimits {
  readonly entries: number;
  readonly entriesPerRoot: number;
  /** Names of all entries together, and their characters. */
  readonly names: number;
  readonly characters: number;
}

const MAX_LISTS = 1_024;
const MAX_LISTS_PER_ROOT = 16;
const MAX_LISTED_NAMES = 200_000;
const MAX_LISTED_CHARACTERS = 4 * 1024 * 1024;

/** About 30 MB when it is full. */
export const LIST_CACHE_LIMITS: ListCacheLimits = {
  ...{ entries: MAX_LISTS, entriesPerRoot: MAX_LISTS_PER_ROOT },
  ...{ names: MAX_LISTED_NAMES, characters: MAX_LISTED_CHARACTERS },
};

/** Whose list it is, of what, and how long it may be kept. */
export interface ListKey {
  /** Differs whenever an answer may differ; names the caller. */
  readonly key: string;
  /** Root block of the caller's token. */
  readonly root: string;
  /** When the caller's token expires, epoch milliseconds. */
  readonly expiresAtMs: number;
}

/** Something listed. `of` is what the answer was about: another definition under the same name is another question. */
export interface ListItem {
  readonly name: string;
  readonly of: unknown;
}

interface Answer {
  readonly of: unknown;
  readonly hider: Hider;
}

interface Entry {
  readonly root: string;
  readonly endsAtSteadyMs: number;
  readonly expiresAtMs: number;
  readonly answers: Map<string, Answer>;
  characters: number;
  asking: Promise<void> | undefined;
}

export interface ListCacheOptions {
  /** Milliseconds since the epoch: tokens expire by it. */
  readonly nowMs: () => number;
  /** A clock that never steps: a clock set back must not keep an old answer alive. */
  readonly steadyMs: () => number;
  readonly limits?: ListCacheLimits;
}

/** The answers of one replica. */
export class ListCache {
  readonly #options: ListCacheOptions;
  readonly #limits: ListCacheLimits;
  /** In order of their making, so the ones that end first stand first. */
  readonly #entries = new Map<string, Entry>();
  readonly #keysByRoot = new Map<string, Set<string>>();
  #names = 0;
  #characters = 0;

  constructor(options: ListCacheOptions) {
    this.#options = options;
    this.#limits = options.limits ?? LIST_CACHE_LIMITS;
  }

  get size(): number {
    return this.#entries.size;
  }

  get names(): number {
    return this.#names;
  }

  /** Whether it is known that nobody hides the item. */
  isListed({ key }: ListKey, item: ListItem): boolean {
    const entry = this.#living(key);
    const answer = entry?.answers.get(item.name);
    return answer !== undefined && answer.of === item.of && answer.hider === undefined;
  }

  /** Keeps one answer. */
  keep(of: ListKey, item: ListItem, hider: Hider): void {
    const entry = this.#living(of.key) ?? this.#make(of);
    this.#put(entry, item, hider);
    this.#shrink();
  }

  /**
   * Who hides each of the items; `ask` is called with those that are not known, once for requests that come together:
   * they share its answer, and its failure.
   */
  async hiders<Item extends ListItem>(
    of: ListKey,
    items: readonly Item[],
    ask: (unknown: readonly Item[]) => Promise<readonly Hider[]>,
  ): Promise<readonly Hider[]> {
    const entry = this.#living(of.key) ?? this.#make(of);
    while (entry.asking !== undefined) await entry.asking;
    const answers = items.map((item) => {
      const answer = entry.answers.get(item.name);
      return answer?.of === item.of ? answer : undefined;
    });
    const unknown = items.filter((_, index) => answers[index] === undefined);
    if (unknown.length > 0) {
      entry.asking = (async () => {
        const asked = (await ask(unknown)).values();
        for (const [index, item] of items.entries()) {
          answers[index] ??= this.#put(entry, item, asked.next().value);
        }
        this.#shrink();
      })().finally(() => entry.asking = undefined);
      await entry.asking;
    }
    return answers.map((answer) => answer?.hider);
  }

  clear(): void {
    for (const key of [...this.#entries.keys()]) this.#delete(key);
  }

  #living(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const { nowMs, steadyMs } = this.#options;
    if (steadyMs() < entry.endsAtSteadyMs && nowMs() < entry.expiresAtMs) return entry;
    this.#delete(key);
    return undefined;
  }

  #make({ key, root, expiresAtMs }: ListKey): Entry {
    const entry: Entry = {
      ...{ root, expiresAtMs, endsAtSteadyMs: this.#options.steadyMs() + LIST_TTL_MS },
      ...{ answers: new Map(), characters: 0, asking: undefined },
    };
    const ofRoot = this.#keysByRoot.get(root) ?? new Set();
    this.#keysByRoot.set(root, ofRoot.add(key));
    this.#entries.set(key, entry);
    if (ofRoot.size > this.#limits.entriesPerRoot) this.#delete(first(ofRoot));
    return entry;
  }

  #put(entry: Entry, item: ListItem, hider: Hider): Answer {
    const answer = { of: item.of, hider };
    const isNew = !entry.answers.has(item.name);
    entry.answers.set(item.name, answer);
    if (!isNew) return answer;
    entry.characters += item.name.length;
    // An entry that was pushed out meanwhile still serves who asked, and counts no more.
    if (this.#holds(entry)) {
      this.#names++;
      this.#characters += item.name.length;
    }
    return answer;
  }

  #holds(entry: Entry): boolean {
    for (const key of this.#keysByRoot.get(entry.root) ?? []) {
      if (this.#entries.get(key) === entry) return true;
    }
    return false;
  }

  #shrink(): void {
    const { entries, names, characters } = this.#limits;
    const now = this.#options.steadyMs();
    for (const [key, entry] of this.#entries) {
      const isFull = this.#entries.size > entries || this.#names > names || this.#characters > characters;
      if (!isFull && now < entry.endsAtSteadyMs) return;
      this.#delete(key);
    }
  }

  #delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#names -= entry.answers.size;
    this.#characters -= entry.characters;
    const ofRoot = this.#keysByRoot.get(entry.root);
    ofRoot?.delete(key);
    if (ofRoot?.size === 0) this.#keysByRoot.delete(entry.root);
  }
}

function first(keys: Iterable<string>): string {
  for (const key of keys) return key;
  throw new RangeError("A full cache has no entries");
}
