/** Reading an answer chunk by chunk with no more memory than it needs. */

/** The chunks of one body. */
export interface ChunkReader {
  /** The next bytes, `undefined` at the end. They are good until the next read. */
  read(): Promise<Uint8Array | undefined>;
  /** Gives the rest up; never rejects. */
  cancel(): void;
}

/** The runtime keeps 64 KiB ready for each read that waits; a stream that is silent for an hour needs less. */
const SMALL_READ = 4_096;

/** Reads a body; `isSparse` says that it will be waited for more often than read. */
export function readChunks(body: ReadableStream<Uint8Array>, isSparse: boolean): ChunkReader {
  const small = isSparse ? smallReader(body) : undefined;
  if (small !== undefined) return small;
  const reader = body.getReader();
  return {
    read: async () => (await reader.read()).value,
    cancel: () => void reader.cancel().catch(() => {}),
  };
}

/** Absent for a stream of this process, which is not one of bytes. */
function smallReader(body: ReadableStream<Uint8Array>): ChunkReader | undefined {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = body.getReader({ mode: "byob" });
  } catch (error) {
    if (!(error instanceof TypeError) || body.locked) throw error;
    return undefined;
  }
  let buffer = new ArrayBuffer(SMALL_READ);
  return {
    async read() {
      const { value, done } = await reader.read(new Uint8Array(buffer));
      // The stream has taken the buffer and gives it back with the chunk.
      if (value !== undefined) buffer = value.buffer;
      return done ? undefined : value;
    },
    cancel: () => void reader.cancel().catch(() => {}),
  };
}
