/** Keeps the counts of gaps in a file of their own until their events are in the chains. */
import type { Appender } from "./appender.ts";
import type { EventSource } from "./event.ts";
import { INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import { type Gap, gapEntry, type GapSpan } from "./gap_event.ts";
import { gapMember, Gaps } from "./gaps.ts";
import { LateFileWriter, type LateKeys } from "./late_file.ts";
import type { LateFiles, LateRecordsWatch, Missing } from "./late_port.ts";

export interface GapKeeperOptions {
  readonly files: LateFiles;
  readonly keys: LateKeys;
  readonly appender: Appender;
  readonly source: EventSource;
  readonly settingsVersion: () => number;
  readonly newId: () => string;
  readonly nowMs: () => number;
  readonly watch: LateRecordsWatch;
  /** Whether the database refused the event itself. */
  readonly isRefusal: (error: unknown) => boolean;
}

/** A process that is killed loses what it counted since the last writing. */
const WRITE_INTERVAL_MS = 1_000;

export class GapKeeper {
  readonly #options: GapKeeperOptions;
  readonly gaps: Gaps;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #hasFile = false;
  /** Gaps that were refused, and so many of them of which the file knows. */
  #moved = 0;
  #movedInFile = 0;
  #isClosed = false;

  constructor(options: GapKeeperOptions) {
    this.#options = options;
    this.gaps = new Gaps(options.newId);
  }

  get isEmpty(): boolean {
    return this.gaps.all().length === 0;
  }

  /** `span`: of what is missing, where that was not decided just now. */
  lose(missing: Missing, span?: GapSpan): void {
    const nowMs = this.#options.nowMs();
    const isFirst = this.gaps.add({ ...missing, ...span ?? { startMs: nowMs, endMs: nowMs } });
    this.#options.watch.lost(missing, isFirst);
    if (this.#isClosed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.write().catch(this.#options.watch.failed); // mended by the next one
    }, WRITE_INTERVAL_MS);
  }

  /** Writes all counts, one writing after the other. */
  async write(): Promise<void> {
    const writing = this.#writing.then(() => this.#write());
    this.#writing = writing.catch(() => {}); // told to who waits for it
    await writing;
  }

  /** Appends an event for every gap, whichever the database refuses. Throws when it does not answer. */
  async record(): Promise<void> {
    // First those that were tried before: as long as the database is away, all others go on counting.
    await this.#recordAll(this.gaps.closed());
    // Once more for those that were refused, which count for the installation then.
    for (let round = 0; round < 2; round++) await this.#recordAll(this.gaps.close());
  }

  async #recordAll(gaps: readonly Gap[]): Promise<void> {
    const { appender, source, nowMs, settingsVersion, watch, isRefusal } = this.#options;
    if (gaps.length === 0) return;
    await this.#writeIfPossible(); // these counts under these ids, whatever happens now
    const now = { timeMs: nowMs(), settingsVersion: settingsVersion() };
    for (const gap of gaps) {
      try {
        const { status } = await appender.append(gapEntry(source, gap, now), { owed: true }).done;
        this.gaps.recorded(gap.eventId);
        if (status === "appended") watch.gapRecorded(gap);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        this.#refused(gap, error);
      }
    }
    await this.#writeIfPossible();
  }

  /**
   * A full disk holds up no event: its id enters the chain once, whatever a file says of it. Only what counts elsewhere since
   * has to stand there first: a file that has it under its old id would count it again.
   */
  async #writeIfPossible(): Promise<void> {
    try {
      await this.write();
    } catch (error) {
      if (this.#moved > this.#movedInFile) throw error;
      this.#options.watch.failed(error);
    }
  }

  /** When there is no chain left that could take it, it is tried again. */
  #refused(gap: Gap, cause: unknown): void {
    const { chain, count, what, reason } = gap;
    const text = `The database refused the gap of "${chain}": ${count} ${what}, ${reason}`;
    this.#options.watch.failed(new Error(text, { cause }));
    if (chain === INSTALLATION_CHAIN) return;
    this.gaps.refused(gap);
    this.#moved++;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    if (!this.isEmpty) await this.write().catch(this.#options.watch.failed);
  }

  async #write(): Promise<void> {
    const { files, keys, source } = this.#options;
    const name = `${source.replicaId}.gaps`;
    const moved = this.#moved;
    const lines = this.gaps.all().map((gap) => JSON.stringify(gapMember(gap)));
    if (lines.length > 0) {
      const writer = new LateFileWriter(keys, { name, logId: source.logId });
      await files.replace(name, writer.header() + lines.map((line) => writer.line(line)).join(""));
    } else if (this.#hasFile) await files.remove(name);
    this.#hasFile = lines.length > 0;
    this.#movedInFile = moved;
  }
}
