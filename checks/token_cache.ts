/** A bounded cache in which the holder of one token can only push out entries of that same token. */

/** How much a cache may hold. */
export interface CacheLimits {
  readonly perRoot: number;
  readonly total: number;
}

/** Limits for verified tokens and for prefix keys: one token of 16 blocks fits whole. */
export const TOKEN_CACHE_LIMITS: CacheLimits = { perRoot: 16, total: 4096 };

interface Entry<Value> {
  readonly root: string;
  readonly value: Value;
}

/**
 * Least-recently-used entries, each belonging to a root block. A root that is full loses its own oldest entry; only
 * when the whole is full does the oldest of all go.
 */
export class PerRootCache<Value> {
  readonly #limits: CacheLimits;
  /** Oldest first: a `Map` keeps insertion order, and use inserts again. */
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #keysByRoot = new Map<string, Set<string>>();

  constructor(limits: CacheLimits = TOKEN_CACHE_LIMITS) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value, which thereby becomes the most recently used. */
  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#append(key, entry);
    return entry.value;
  }

  set(key: string, root: string, value: Value): void {
    this.delete(key);
    this.#append(key, { root, value });
    const ofRoot = this.#keysByRoot.get(root)!;
    if (ofRoot.size > this.#limits.perRoot) this.delete(first(ofRoot));
    if (this.#entries.size > this.#limits.total) this.delete(first(this.#entries.keys()));
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    const ofRoot = this.#keysByRoot.get(entry.root)!;
    ofRoot.delete(key);
    if (ofRoot.size === 0) this.#keysByRoot.delete(entry.root);
  }

  #append(key: string, entry: Entry<Value>): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const ofRoot = this.#keysByRoot.get(entry.root) ?? new Set();
    ofRoot.delete(key);
    ofRoot.add(key);
    this.#keysByRoot.set(entry.root, ofRoot);
  }
}

function first(keys: Iterable<string>): string {
  for (const key of keys) return key;
  throw new RangeError("A full cache has no entries");
}
