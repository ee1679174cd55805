/** How many readers of something long may be under way, and how they end when they are gone or do not read. */

/** Bounds of one kind of readers in one replica. */
export interface ReaderLimits {
  /** At once, of all operators and of one. */
  readonly most: number;
  readonly mostPerOperator: number;
  /** A reader that takes nothing for so long is ended. */
  readonly idleMs: number;
}

type Chunk = Uint8Array<ArrayBuffer>;

/** How a reader ended: all was read, making it failed, it went, or it took nothing for too long. */
export type ReaderEnd = "done" | "failed" | "gone" | "idle";

/** Room for one reader. It is given back by `release`, or when the stream ends, fails, is given up, or is not read. */
export interface ReaderSlot {
  /** Streams what was read already and then the rest, never more than its reader takes. */
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
  take(operatorId: string): ReaderSlot | undefined;
  /** How many are under way. */
  taken(): number;
}

/** Makes the room of one replica. */
export function createReaderSlots({ most, mostPerOperator, idleMs }: ReaderLimits): ReaderSlots {
  const taken = new Map<symbol, string>();
  return {
    taken: () => taken.size,
    take: (operatorId) => {
      const own = [...taken.values()].filter((id) => id === operatorId).length;
      if (taken.size >= most || own >= mostPerOperator) return undefined;
      const slot = Symbol(operatorId);
      taken.set(slot, operatorId);
      const release = () => void taken.delete(slot);
      return {
        release,
        stream: (first, rest, onEnd) =>
          streamOf(first, rest, idleMs, (how) => {
            release();
            onEnd?.(how);
          }),
      };
    },
  };
}

function streamOf(
  first: IteratorResult<Chunk>,
  rest: AsyncGenerator<Chunk>,
  idleMs: number,
  release: (how: ReaderEnd) => void,
): ReadableStream<Chunk> {
  let next: IteratorResult<Chunk> | undefined = first;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = (how: ReaderEnd) => {
    clearTimeout(timer);
    release(how);
  };
  const watch = (controller: ReadableStreamDefaultController<Chunk>) => {
    timer = setTimeout(() => {
      controller.error(new Error(`The reader took nothing for ${idleMs} ms`));
      end("idle");
      rest.return(undefined).catch(() => {}); // nobody waits for it any more
    }, idleMs);
  };
  return new ReadableStream<Chunk>({
    start: watch,
    pull: async (controller) => {
      clearTimeout(timer);
      try {
        const { done, value } = next ?? await rest.next();
        next = undefined;
        if (done === true) {
          end("done");
          controller.close();
          return;
        }
        controller.enqueue(value);
        watch(controller);
      } catch (error) {
        end("failed");
        throw error;
      }
    },
    cancel: async () => {
      end("gone");
      await rest.return(undefined);
    },
  }, { highWaterMark: 0 });
}
