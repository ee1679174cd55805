/** How many exports may be under way, and how they end when their reader is gone or does not read. */

/** Exports at once, of all operators and of one, in one replica. */
const MAX_EXPORTS = 8;
const MAX_EXPORTS_PER_OPERATOR = 2;
/** An export whose reader takes nothing for so long is ended. */
const EXPORT_IDLE_MS = 60_000;

type Chunk = Uint8Array<ArrayBuffer>;

/** Room for one export. It is given back by `release`, or when the stream ends, fails, is given up, or is not read. */
export interface ExportSlot {
  /** Streams what was read already and then the rest, never more than its reader takes. */
  stream(first: IteratorResult<Chunk>, rest: AsyncGenerator<Chunk>): ReadableStream<Chunk>;
  release(): void;
}

/** Hands out the room for exports. */
export interface ExportSlots {
  /** `undefined` when too many are under way. */
  take(operatorId: string): ExportSlot | undefined;
  /** How many are under way. */
  taken(): number;
}

/** Makes the room of one replica. */
export function createExportSlots(idleMs = EXPORT_IDLE_MS): ExportSlots {
  const taken = new Map<symbol, string>();
  return {
    taken: () => taken.size,
    take: (operatorId) => {
      const own = [...taken.values()].filter((id) => id === operatorId).length;
      if (taken.size >= MAX_EXPORTS || own >= MAX_EXPORTS_PER_OPERATOR) return undefined;
      const slot = Symbol(operatorId);
      taken.set(slot, operatorId);
      const release = () => void taken.delete(slot);
      return { release, stream: (first, rest) => streamOf(first, rest, idleMs, release) };
    },
  };
}

function streamOf(
  first: IteratorResult<Chunk>,
  rest: AsyncGenerator<Chunk>,
  idleMs: number,
  release: () => void,
): ReadableStream<Chunk> {
  let next: IteratorResult<Chunk> | undefined = first;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = () => {
    clearTimeout(timer);
    release();
  };
  const watch = (controller: ReadableStreamDefaultController<Chunk>) => {
    timer = setTimeout(() => {
      controller.error(new Error(`The reader of an export took nothing for ${idleMs} ms`));
      end();
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
          end();
          controller.close();
          return;
        }
        controller.enqueue(value);
        watch(controller);
      } catch (error) {
        end();
        throw error;
      }
    },
    cancel: async () => {
      end();
      await rest.return(undefined);
    },
  }, { highWaterMark: 0 });
}
