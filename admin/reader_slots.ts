/** How many readers of something long may be under way, and how they end when they are gone or do not read. */

/** Bounds of one kind of readers in one replica. */
export interface ReaderLimits {
  /** At once, of all operators and of one. */
  readonly most: number;
  readonly mostPerOperator: number;
  /** At once of one tenant's record; absent: as many as there may be. */
  readonly mostPerTenant?: number;
  /** A reader that takes nothing for so long is ended. */
  readonly idleMs: number;
  /** A reader is ended after this time, however it reads; absent: never. */
  readonly longestMs?: number;
}

type Chunk = Uint8Array<ArrayBuffer>;

/** How a reader ended: all was read, making it failed, it went, it took nothing for too long, or it took too long. */
export type ReaderEnd = "done" | "failed" | "gone" | "idle" | "late";

/** Room for one reader. It is given back by `release`, or when the stream has ended and nothing is being made any more. */
export interface ReaderSlot {
  /**
   * Streams what was read already and then the rest, never more than its reader takes. What makes the rest yields at least
   * once a page, an empty chunk where there is nothing to send: there it can be ended. `onEnd` is told before.
   */
  stream(
    first: IteratorResult<Chunk>,
    rest: AsyncGenerator<Chunk>,
    onEnd?: (how: ReaderEnd) => void,
  ): ReadableStream<Chunk>;
  release(): void;
}

/** Hands out the room for readers. */
export interface ReaderSlots {
  /** `undefined` when too many are under way. */
  take(operatorId: string, tenant?: string): ReaderSlot | undefined;
  /** How many are under way. */
  taken(): number;
}

interface Taken {
  readonly operatorId: string;
  readonly tenant: string | undefined;
}

/** Makes the room of one replica. */
export function createReaderSlots(limits: ReaderLimits): ReaderSlots {
  const { most, mostPerOperator, mostPerTenant = most } = limits;
  const taken = new Set<Taken>();
  const count = (isLike: (slot: Taken) => boolean) => [...taken].filter(isLike).length;
  return {
    taken: () => taken.size,
    take: (operatorId, tenant) => {
      if (taken.size >= most || count((slot) => slot.operatorId === operatorId) >= mostPerOperator) return;
      if (tenant !== undefined && count((slot) => slot.tenant === tenant) >= mostPerTenant) return;
      const slot = { operatorId, tenant };
      taken.add(slot);
      const release = () => void taken.delete(slot);
      return {
        release,
        stream: (first, rest, onEnd = () => {}) =>
          new ReadableStream(new ReaderSource({ first, rest, limits, onEnd, release }), { highWaterMark: 0 }),
      };
    },
  };
}

interface Reading {
  readonly first: IteratorResult<Chunk>;
  readonly rest: AsyncGenerator<Chunk>;
  readonly limits: ReaderLimits;
  readonly onEnd: (how: ReaderEnd) => void;
  readonly release: () => void;
}

class ReaderSource implements UnderlyingDefaultSource<Chunk> {
  readonly #reading: Reading;
  #first: IteratorResult<Chunk> | undefined;
  #hasEnded = false;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #late: ReturnType<typeof setTimeout> | undefined;

  constructor(reading: Reading) {
    this.#reading = reading;
    this.#first = reading.first;
  }

  start(controller: ReadableStreamDefaultController<Chunk>): void {
    const { longestMs } = this.#reading.limits;
    if (longestMs !== undefined) {
      this.#late = setTimeout(
        () => this.#breakOff(controller, "late", `took more than ${longestMs} ms`),
        longestMs,
      );
    }
    this.#watch(controller);
  }

  async pull(controller: ReadableStreamDefaultController<Chunk>): Promise<void> {
    clearTimeout(this.#idle);
    try {
      const { done, value } = await this.#next();
      if (this.#hasEnded) return;
      if (done === true) {
        this.#end("done");
        this.#reading.release();
        controller.close();
        return;
      }
      controller.enqueue(value);
      this.#watch(controller);
    } catch (error) {
      if (this.#hasEnded) return;
      this.#end("failed");
      this.#reading.release();
      throw error;
    }
  }

  async cancel(): Promise<void> {
    this.#end("gone");
    await this.#stop();
  }

  /** What can be sent next; nothing of it once the reader has ended. */
  async #next(): Promise<IteratorResult<Chunk>> {
    for (;;) {
      const found = this.#first ?? await this.#reading.rest.next();
      this.#first = undefined;
      if (this.#hasEnded || found.done === true || found.value.length > 0) return found;
    }
  }

  #watch(controller: ReadableStreamDefaultController<Chunk>): void {
    const { idleMs } = this.#reading.limits;
    this.#idle = setTimeout(
      () => this.#breakOff(controller, "idle", `took nothing for ${idleMs} ms`),
      idleMs,
    );
  }

  #breakOff(controller: ReadableStreamDefaultController<Chunk>, how: ReaderEnd, why: string): void {
    controller.error(new Error(`The reader ${why}`));
    this.#end(how);
    this.#stop().catch(() => {}); // nobody waits for it any more
  }

  #end(how: ReaderEnd): void {
    clearTimeout(this.#idle);
    clearTimeout(this.#late);
    this.#hasEnded = true;
    this.#reading.onEnd(how);
  }

  /** The room is free only when nothing is being made for this reader any more. */
  async #stop(): Promise<void> {
    try {
      await this.#reading.rest.return(undefined);
    } finally {
      this.#reading.release();
    }
  }
}
