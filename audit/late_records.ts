/**
 * Records that the database does not take: kept in files of the data folder until it does, then appended in order, each
 * once. What does not fit there is counted, and the count enters the chain.
 */
import { Buffer } from "node:buffer";
import { type AppendResult, type AuditEntry, INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import type { JsonObject } from "../core/json.ts";
import { Places } from "../core/places.ts";
import { GapKeeper, type GapKeeperOptions } from "./gap_keeper.ts";
import { type GapSpan, spanOf } from "./gap_event.ts";
import { gapOf } from "./gaps.ts";
import { type LateFileEnd, readLateFile, recordMember, recordOf } from "./late_file.ts";
import { lateEntry } from "./late_mark.ts";
import type { LateRecord, LateRecords } from "./late_port.ts";
import { LateWriter, type Segment } from "./late_writer.ts";

export interface LateRecordsOptions extends GapKeeperOptions {
  /** Whether the last append failed. */
  readonly isAway: () => boolean;
  /** Bytes that may wait. */
  readonly maxBytes: number;
  readonly retryMs?: number;
  /** How long a folder that takes no new file is left alone. */
  readonly restMs?: number;
  /** How often files are looked for whose process has ended. */
  readonly adoptMs?: number;
}

/** Records that one statement replays: few enough that each bad one can be found (`MAX_STATEMENTS` of the appender). */
const REPLAY_BATCH = 32;
/** A line's seal, space and end. */
const SEAL_BYTES = 66;
/** A minute: what waits has an owner that nobody asks any more. */
const ADOPT_MS = 60_000;
/** A process that lives locks a file as soon as it has made it. */
const QUIET_MS = 5_000;
/** Whom the bytes of adopted files count for. */
const ADOPTED = "~adopted";

/** Makes them; nothing is read before `start`. */
export function createLateRecords(options: LateRecordsOptions): LateRecords {
  return new Late(options);
}

class Late implements LateRecords {
  readonly #options: LateRecordsOptions;
  readonly #places: Places;
  readonly #writer: LateWriter;
  readonly #gaps: GapKeeper;
  /** Files that brought gaps, read to their end. */
  readonly #gapFiles: { readonly segment: Segment; readonly end: LateFileEnd }[] = [];
  /** By event id. */
  readonly #onRecorded = new Map<string, (result: AppendResult) => void>();
  /** Files that this process cannot take over; a start says why and where. */
  readonly #passedOver = new Set<string>();
  #replaying: Promise<void> | undefined;
  #adopting: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #adoptTimer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: LateRecordsOptions) {
    this.#options = options;
    this.#places = new Places(options.maxBytes);
    this.#writer = new LateWriter({ ...options, onError: options.watch.failed });
    this.#gaps = new GapKeeper(options);
  }

  isAway(): boolean {
    return this.#options.isAway();
  }

  waiting() {
    return { records: this.#writer.records, bytes: this.#places.taken };
  }

  async keep(entry: AuditEntry, { what, onRecorded }: LateRecord): Promise<boolean> {
    const { nowMs, watch } = this.#options;
    const { chain, eventId } = entry;
    const text = JSON.stringify(recordMember(lateEntry(entry, nowMs())));
    const bytes = Buffer.byteLength(text) + SEAL_BYTES;
    const isFirst = this.#writer.records === 0;
    const hasRoom = this.#places.enter(chain, bytes);
    if (hasRoom) {
      if (onRecorded !== undefined) this.#onRecorded.set(eventId, onRecorded);
      if (await this.#writer.write({ chain, text, bytes })) {
        watch.kept(isFirst);
        return true;
      }
      this.#onRecorded.delete(eventId);
      this.#places.leave(chain, bytes);
    }
    const reason = hasRoom ? "unwritable" : "bound";
    if (what === "decision") this.#gaps.lose({ chain, what: "decisions", reason, count: 1 });
    return false;
  }

  async start(): Promise<void> {
    for (const { name, bytes } of await this.#options.files.adopt()) {
      this.#takeOver(name, bytes, await this.#countMembers(name, () => {}));
    }
    await this.replay();
    this.#schedule();
    this.#scheduleAdoption();
  }

  async adopt(): Promise<void> {
    this.#adopting ??= this.#adoptAll()
      .catch((error) => this.#options.watch.failed(error))
      .finally(() => void (this.#adopting = undefined));
    await this.#adopting;
  }

  async replay(): Promise<void> {
    this.#replaying ??= this.#replayAll()
      .catch((error) => this.#options.watch.failed(error))
      .finally(() => void (this.#replaying = undefined));
    await this.#replaying;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#adoptTimer);
    await this.#adopting;
    await this.#replaying;
    await this.#gaps.close();
    await this.#writer.close();
    this.#options.files.close();
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      const isDue = this.#writer.records > 0 || !this.#gaps.isEmpty || this.#gapFiles.length > 0;
      (isDue ? this.replay() : Promise.resolve()).finally(() => this.#schedule());
    }, this.#options.retryMs ?? 1_000);
  }

  #scheduleAdoption(): void {
    if (this.#isClosed) return;
    this.#adoptTimer = setTimeout(
      () => void this.adopt().finally(() => this.#scheduleAdoption()),
      this.#options.adoptMs ?? ADOPT_MS,
    );
  }

  async #adoptAll(): Promise<void> {
    const { files, watch } = this.#options;
    // While it is away they can wait where they are: here they would take the room of what this process decides.
    if (this.#isClosed || this.isAway()) return;
    let adopted = 0;
    for (const { name, bytes } of await files.adopt(QUIET_MS)) {
      try {
        if (this.#passedOver.has(name)) {
          files.release(name);
          continue;
        }
        const refuseUnknown = (member: JsonObject) => void (gapOf(member) ?? recordOf(member));
        this.#takeOver(name, bytes, await this.#countMembers(name, refuseUnknown));
        adopted++;
      } catch (error) {
        files.release(name); // of another database, key ring or version: it would hold up what this process keeps
        this.#passedOver.add(name);
        watch.failed(error);
      }
    }
    if (adopted > 0) watch.adopted(adopted);
    if (this.#writer.sealed.length > 0) await this.replay();
  }

  #takeOver(name: string, bytes: number, records: number): void {
    this.#places.force(ADOPTED, bytes);
    const counts = { records, done: 0, refused: 0 };
    this.#writer.sealed.push({ name, bytes: new Map([[ADOPTED, bytes]]), ...counts, gaps: new Set() });
  }

  async #replayAll(): Promise<void> {
    const { sealed } = this.#writer;
    for (;;) {
      if (sealed.length === 0) await this.#writer.seal();
      const [segment] = sealed;
      if (segment === undefined) break;
      if (this.#isClosed || !await this.#replaySegment(segment)) return;
      sealed.shift();
    }
    await this.#finishGapFiles();
    await this.#gaps.record();
    await this.#finishGapFiles();
  }

  /** Not before the other files, which may have filled the disk: what these brought has to be written elsewhere first. */
  async #finishGapFiles(): Promise<void> {
    if (this.#gapFiles.length === 0) return;
    try {
      await this.#gaps.write();
    } catch (error) {
      this.#options.watch.failed(error);
      return; // their gaps are recorded under the same ids whatever stands there
    }
    for (let [next] = this.#gapFiles; next !== undefined; [next] = this.#gapFiles) {
      await this.#finish(next.segment, next.end);
      this.#gapFiles.shift();
    }
  }

  /** False when the database did not take all of it. */
  async #replaySegment(segment: Segment): Promise<boolean> {
    const { files, keys, source, watch } = this.#options;
    const { name } = segment;
    const members = readLateFile(files.read(name), keys, { name, logId: source.logId });
    const counts = { recorded: 0, known: 0 };
    let batch: AuditEntry[] = [];
    let end: LateFileEnd | undefined;
    for (let index = 0; end === undefined;) {
      const next = await members.next();
      if (next.done) end = next.value;
      else if (index++ >= segment.done) this.#take(next.value, batch, segment);
      // While the database is away, one record asks whether it is back.
      const isFull = batch.length >= (this.isAway() ? 1 : REPLAY_BATCH);
      if (batch.length === 0 || !isFull && end === undefined) continue;
      if (!await this.#append(batch, segment, counts)) {
        await members.return({ kind: "whole" });
        return false;
      }
      batch = [];
    }
    if (counts.recorded + counts.known > 0) watch.recorded(counts);
    if (segment.gaps.size > 0) this.#gapFiles.push({ segment, end });
    else await this.#finish(segment, end);
    return true;
  }

  /** A record joins the batch, a gap those that are to be recorded. */
  #take(member: JsonObject, batch: AuditEntry[], segment: Segment): void {
    const gap = gapOf(member);
    if (gap === undefined) {
      batch.push(recordOf(member));
      return;
    }
    if (segment.gaps.has(gap.eventId)) return; // it is read again
    segment.gaps.add(gap.eventId);
    this.#gaps.gaps.adopt(gap);
    segment.records--;
  }

  async #append(
    batch: readonly AuditEntry[],
    segment: Segment,
    counts: { recorded: number; known: number },
  ): Promise<boolean> {
    const { appender, isRefusal, watch } = this.#options;
    const results = await Promise.allSettled(
      batch.map((entry) => appender.append(entry, { owed: true }).done),
    );
    if (results.some((result) => result.status === "rejected" && !isRefusal(result.reason))) return false;
    for (const [index, result] of results.entries()) {
      const eventId = batch[index]?.eventId ?? "";
      if (result.status === "rejected") {
        segment.refused++;
        segment.refusedSpan = spanOf(this.#decidedAt(batch[index]), segment.refusedSpan);
        watch.failed(result.reason);
        continue;
      }
      counts[result.value.status === "appended" ? "recorded" : "known"]++;
      this.#onRecorded.get(eventId)?.(result.value);
      this.#onRecorded.delete(eventId);
    }
    segment.done += batch.length;
    return true;
  }

  /** The time that stands in an event. */
  #decidedAt(entry: AuditEntry | undefined): GapSpan {
    const { time } = JSON.parse(entry?.canonical ?? "{}");
    const timeMs = Number.isSafeInteger(time) ? time : this.#options.nowMs();
    return { startMs: timeMs, endMs: timeMs };
  }

  /** A file goes when the chains have all that it held; any other one stays for somebody to look at. */
  async #finish(segment: Segment, end: LateFileEnd): Promise<void> {
    const { files, watch } = this.#options;
    const { name, refused } = segment;
    const damaged = end.kind === "damaged" ? end.lines : 0;
    // Its lines are not believed, what they say of their times included.
    const damagedSpan = damaged > 0 ? await files.times(name) : undefined;
    await (refused + damaged > 0 ? files.setAside(name) : files.remove(name)); // first: what fails here is tried again
    const lose = (reason: "refused" | "damaged", count: number, span?: GapSpan) =>
      count > 0 && this.#gaps.lose({ chain: INSTALLATION_CHAIN, what: "records", reason, count }, span);
    if (end.kind === "torn") watch.torn(name);
    lose("refused", refused, segment.refusedSpan);
    lose("damaged", damaged, damagedSpan);
    segment.file?.close();
    for (const [chain, bytes] of segment.bytes) this.#places.leave(chain, bytes);
  }

  /** Reads a file to its end; throws when it can be none of ours, or `look` does. */
  async #countMembers(name: string, look: (member: JsonObject) => void): Promise<number> {
    const { files, keys, source } = this.#options;
    let members = 0;
    for await (const member of readLateFile(files.read(name), keys, { name, logId: source.logId })) {
      look(member);
      members++;
    }
    return members;
  }
}
