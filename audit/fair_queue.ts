/** What waits to be appended: in order within a chain, and one chain after the other. */
import type { AuditEntry } from "../core/audit_entry.ts";
import { Places } from "../core/places.ts";

/** How much may wait and how much one batch takes. */
export interface QueueLimits {
  readonly maxBatch: number;
  readonly maxBatchBytes: number;
  readonly maxQueue: number;
  readonly maxQueueBytes: number;
}

/** One event that waits, with whatever its owner keeps beside it. */
export interface Queued {
  readonly entry: AuditEntry;
  /** Characters of the event: about its bytes. */
  readonly size: number;
}

/** A queue of queues, one per chain. */
export class FairQueue<Item extends Queued> {
  readonly #limits: QueueLimits;
  readonly #places: Places;
  readonly #bytes: Places;
  /** Chains that wait, in the order in which they are served. */
  readonly #chains = new Map<string, Item[]>();

  constructor(limits: QueueLimits) {
    this.#limits = limits;
    this.#places = new Places(limits.maxQueue);
    this.#bytes = new Places(limits.maxQueueBytes);
  }

  get length(): number {
    return this.#places.taken;
  }

  get bytes(): number {
    return this.#bytes.taken;
  }

  /**
   * Takes an item; false when there is no room for another one of its chain. What is `owed` is always taken: it follows
   * from an event that was recorded, and there are no more of them than of those.
   */
  push(item: Item, isOwed: boolean): boolean {
    const { chain } = item.entry;
    if (!isOwed && !(this.#places.hasRoom(chain) && this.#bytes.hasRoom(chain, item.size))) return false;
    this.#places.force(chain);
    this.#bytes.force(chain, item.size);
    const waiting = this.#chains.get(chain);
    if (waiting === undefined) this.#chains.set(chain, [item]);
    else waiting.push(item);
    return true;
  }

  /** Takes an item back; false when it has left. */
  remove(item: Item): boolean {
    const waiting = this.#chains.get(item.entry.chain) ?? [];
    const index = waiting.indexOf(item);
    if (index < 0) return false;
    waiting.splice(index, 1);
    if (waiting.length === 0) this.#chains.delete(item.entry.chain);
    this.#left(item);
    return true;
  }

  /**
   * The next batch: every chain that waits gets an equal part, and what some do not need the others get. A chain that has
   * more than its part goes to the end, so that each gets its turn when there are more chains than a batch has places.
   */
  take(): Item[] {
    const { maxBatch, maxBatchBytes } = this.#limits;
    const batch: Item[] = [];
    let bytes = 0;
    while (this.#chains.size > 0 && batch.length < maxBatch && bytes < maxBatchBytes) {
      const part = Math.max(1, Math.floor((maxBatch - batch.length) / this.#chains.size));
      for (const [chain, waiting] of [...this.#chains]) {
        let count = 0;
        while (count < waiting.length && count < part && batch.length < maxBatch && bytes < maxBatchBytes) {
          const item = waiting[count++];
          if (item === undefined) break;
          batch.push(item);
          bytes += item.size;
          this.#left(item);
        }
        if (count === 0) break;
        this.#chains.delete(chain);
        if (count < waiting.length) this.#chains.set(chain, waiting.slice(count));
      }
    }
    return batch;
  }

  #left({ entry: { chain }, size }: Item): void {
    this.#places.leave(chain);
    this.#bytes.leave(chain, size);
  }
}
