/** Writes late records into a file at a time, many of them with one sync. */
import type { EventSource } from "./event.ts";
import type { GapSpan } from "./gap_event.ts";
import { LateFileWriter, type LateKeys } from "./late_file.ts";
import type { LateFile, LateFiles } from "./late_port.ts";

/** One file and what is known of it. */
export interface Segment {
  readonly name: string;
  /** Absent: it was adopted. */
  readonly file?: LateFile;
  /** Bytes by the chain that they count for. */
  readonly bytes: Map<string, number>;
  records: number;
  /** Records at its begin that the database has. */
  done: number;
  /** Those that it refused, and when they were decided. */
  refused: number;
  refusedSpan?: GapSpan;
  /** Event ids of the gaps that it brought. */
  readonly gaps: Set<string>;
}

/** One record on its way into a file. */
export interface LateLine {
  readonly chain: string;
  /** JSON of one member. */
  readonly text: string;
  readonly bytes: number;
}

export interface LateWriterOptions {
  readonly files: LateFiles;
  readonly keys: LateKeys;
  readonly source: EventSource;
  readonly onError: (error: unknown) => void;
  /** How long nothing is tried after a file could not be begun. */
  readonly restMs?: number;
}

/** A full disk does not get room by being asked for every record, and each try may leave a file. */
const REST_MS = 1_000;

interface Waiting {
  readonly line: LateLine;
  readonly resolve: (isDurable: boolean) => void;
}

interface Open {
  readonly segment: Segment;
  readonly file: LateFile;
  readonly writer: LateFileWriter;
}

export class LateWriter {
  readonly #options: LateWriterOptions;
  /** Files that nothing is written to any more, oldest first. */
  readonly sealed: Segment[] = [];
  #open: Open | undefined;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #files = 0;
  #isSealDue = false;
  #rest: ReturnType<typeof setTimeout> | undefined;

  constructor(options: LateWriterOptions) {
    this.#options = options;
  }

  /** Records of all files that the database does not have yet, and those on their way into one. */
  get records(): number {
    const segments = this.#open === undefined ? this.sealed : [...this.sealed, this.#open.segment];
    return segments.reduce((sum, { records, done }) => sum + records - done, this.#waiting.length);
  }

  /** True when the line is durable. */
  async write(line: LateLine): Promise<boolean> {
    return await new Promise((resolve) => {
      this.#waiting.push({ line, resolve });
      this.#writing ??= this.#writeAll();
    });
  }

  /** Nothing is written to a file that is read: one that is being written is sealed between two writes. */
  async seal(): Promise<void> {
    this.#isSealDue = true;
    if (this.#writing === undefined) this.#sealIfDue();
    while (this.#isSealDue) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  /** Waits for what is on its way, and gives the locks of all files back. */
  async close(): Promise<void> {
    await this.#writing;
    clearTimeout(this.#rest);
    await this.seal();
    for (const { file } of this.sealed) file?.close();
  }

  async #writeAll(): Promise<void> {
    for (; this.#waiting.length > 0; this.#sealIfDue()) {
      const batch = this.#waiting;
      this.#waiting = [];
      const isDurable = await this.#writeBatch(batch.map(({ line }) => line));
      for (const { resolve } of batch) resolve(isDurable);
    }
    this.#writing = undefined; // in the same step as the last look: who comes later begins anew
  }

  async #writeBatch(lines: readonly LateLine[]): Promise<boolean> {
    if (this.#rest !== undefined) return false;
    try {
      const { segment, file, writer } = this.#open ??= await this.#create();
      await file.append(lines.map(({ text }) => writer.line(text)).join(""));
      for (const { chain, bytes } of lines) segment.bytes.set(chain, (segment.bytes.get(chain) ?? 0) + bytes);
      segment.records += lines.length;
      return true;
    } catch (error) {
      this.#options.onError(error);
      this.#isSealDue = true; // nobody knows how far the file got: nothing is written after that
      if ((this.#open?.segment.records ?? 0) === 0) await this.#giveUp();
      return false;
    }
  }

  /** Nobody was told that something stands in the open file, if there is one: it goes. */
  async #giveUp(): Promise<void> {
    const { files, onError, restMs = REST_MS } = this.#options;
    const open = this.#open;
    this.#open = undefined;
    this.#rest ??= setTimeout(() => void (this.#rest = undefined), restMs);
    if (open !== undefined) await files.remove(open.segment.name).catch(onError);
  }

  async #create(): Promise<Open> {
    const { files, keys, source } = this.#options;
    const name = `${source.replicaId}-${++this.#files}.late`;
    const writer = new LateFileWriter(keys, { name, logId: source.logId });
    const file = await files.create(name);
    try {
      await file.append(writer.header());
    } catch (error) {
      await files.remove(name).catch(this.#options.onError);
      file.close();
      throw error;
    }
    const counts = { records: 0, done: 0, refused: 0 };
    return { segment: { name, file, bytes: new Map(), ...counts, gaps: new Set() }, file, writer };
  }

  #sealIfDue(): void {
    if (!this.#isSealDue) return;
    this.#isSealDue = false;
    if (this.#open !== undefined) this.sealed.push(this.#open.segment);
    this.#open = undefined;
  }
}
