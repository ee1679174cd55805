/** What late records need of the folder they stand in, and what they are for everybody else. */
import type { AppendResult, AuditEntry } from "../core/audit_entry.ts";
import type { Gap, GapSpan } from "./gap_event.ts";

/** One open file, for this process alone. */
export interface LateFile {
  /** Durable when it resolves. */
  append(text: string): Promise<void>;
  close(): void;
}

/** The folder of late records; `commands/late_record_files.ts` fits. */
export interface LateFiles {
  /** Makes an empty file. */
  create(name: string): Promise<LateFile>;
  /**
   * Files of processes that have ended, oldest first: nobody else takes them as long as this one lives. `quietMs`: only those
   * that nobody has written to for so long.
   */
  adopt(quietMs?: number): Promise<readonly { readonly name: string; readonly bytes: number }[]>;
  /** Gives a file that was adopted back as it is. */
  release(name: string): void;
  read(name: string): AsyncIterable<Uint8Array>;
  /** When a file was made and last written to. */
  times(name: string): Promise<GapSpan>;
  /** Puts a whole file into the place of another, in one step. */
  replace(name: string, text: string): Promise<void>;
  /** Out of the way, for somebody to look at. */
  setAside(name: string): Promise<void>;
  remove(name: string): Promise<void>;
  close(): void;
}

/** Events that will never be in a chain. */
export type Missing = Pick<Gap, "chain" | "what" | "reason" | "count">;

/** Told of what happens, for log and metrics. */
export interface LateRecordsWatch {
  /** A record was kept; `isFirst` when none waited before. */
  kept(isFirst: boolean): void;
  /** So many files of processes that ended meanwhile were taken over. */
  adopted(files: number): void;
  /** A file was appended: so many records now, and so many that the chain had already or had no need of. */
  recorded(counts: { readonly recorded: number; readonly known: number }): void;
  /** Records are lost; `isFirst` of their gap. */
  lost(missing: Missing, isFirst: boolean): void;
  gapRecorded(gap: Gap): void;
  /** The last record of a file was cut off by a crash: its caller had no answer. */
  torn(file: string): void;
  failed(error: unknown): void;
}

/** What is kept, and what becomes of it. */
export interface LateRecord {
  /** A decision that is not kept is a gap; other records have another way. */
  readonly what: "decision" | "other";
  /** Told when the database has answered, if this process still lives then. */
  readonly onRecorded?: (result: AppendResult) => void;
}

/** Where records wait that the database does not take. */
export interface LateRecords {
  /** Whether the database did not take the last append: who need not ask it keeps the record at once. */
  isAway(): boolean;
  /** Keeps an entry; true when it is durable. */
  keep(entry: AuditEntry, record: LateRecord): Promise<boolean>;
  waiting(): { readonly records: number; readonly bytes: number };
  /** Takes over what ended processes left, tries to append it, and goes on trying. */
  start(): Promise<void>;
  /** Takes over what processes left that have ended since the start, and appends it; not while the database is away. */
  adopt(): Promise<void>;
  /** Appends what waits, as far as the database takes it. */
  replay(): Promise<void>;
  close(): Promise<void>;
}
