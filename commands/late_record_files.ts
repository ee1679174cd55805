/** The folder of late records: files that only their owner may read, each locked by the process that writes it. */
import type { GapSpan } from "../audit/gap_event.ts";
import type { LateFile, LateFiles } from "../audit/late_port.ts";
import { GatewayError } from "../core/errors.ts";
import { tryLock } from "../store/folder_lock.ts";

/** A file of one replica: records, or the counts of its gaps. */
const NAME = /^[A-Za-z0-9_]{1,64}(?:-\d{1,9}\.late|\.gaps)$/;
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/** Makes the folder when it is missing; throws `GatewayError` (`late_records_unusable`) when others may use it. */
export async function openLateRecordFiles(folder: string): Promise<LateFiles> {
  await Deno.mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  refuseOthers(folder, await Deno.lstat(folder), "isDirectory", FOLDER_MODE);
  return new Files(folder);
}

class Files implements LateFiles {
  readonly #folder: string;
  /** Handles that hold the locks of files, by name. */
  readonly #held = new Map<string, Deno.FsFile>();
  /** Files whose lock is waited for: before Deno 2.9 that lasts as long as another process has it. */
  readonly #awaited = new Set<string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async create(name: string): Promise<LateFile> {
    const path = `${this.#folder}/${name}`;
    const file = await Deno.open(path, { write: true, createNew: true, mode: FILE_MODE });
    if (!await tryLock(file)) throw unusable(path, "another process has locked it");
    if (!await standsAt(path, file)) {
      file.close(); // a process that was just starting took the empty file, and removed it
      throw unusable(path, "another process has removed it");
    }
    this.#held.set(name, file);
    try {
      await syncFolder(this.#folder);
    } catch (error) {
      await this.remove(name);
      throw error;
    }
    return {
      append: (text) => append(file, text),
      close: () => this.release(name),
    };
  }

  async adopt(quietMs = 0) {
    const adopted: { name: string; bytes: number; modified: number }[] = [];
    try {
      for await (const { name } of Deno.readDir(this.#folder)) {
        if (!NAME.test(name) || this.#held.has(name) || this.#awaited.has(name)) continue;
        const file = await this.#lockOf(name, quietMs);
        if (file === undefined) continue;
        this.#held.set(name, file);
        const { size, mtime } = await file.stat();
        adopted.push({ name, bytes: size, modified: mtime?.getTime() ?? 0 });
      }
    } catch (error) {
      for (const { name } of adopted) this.release(name);
      throw error;
    }
    return adopted.sort((left, right) => left.modified - right.modified || (left.name < right.name ? -1 : 1));
  }

  /** An open file with its lock; `undefined` when another process has it, or may be about to lock what it just made. */
  async #lockOf(name: string, quietMs: number): Promise<Deno.FsFile | undefined> {
    const path = `${this.#folder}/${name}`;
    const file = await openOwn(path);
    if (typeof file === "string") return undefined; // only an owner that lives removes or replaces it
    const writtenMs = (await file.stat()).mtime?.getTime() ?? 0;
    if (quietMs > 0 && Date.now() - writtenMs < quietMs) {
      file.close();
      return undefined;
    }
    this.#awaited.add(name);
    if (!await tryLock(file, () => void this.#awaited.delete(name))) return undefined;
    if (await standsAt(path, file)) return file;
    file.close(); // its owner lives: it replaced or removed the file before we had the lock
    return undefined;
  }

  async *read(name: string): AsyncGenerator<Uint8Array> {
    const path = `${this.#folder}/${name}`;
    const file = await openOwn(path);
    if (file === "replaced") throw unusable(path, "it was replaced while it was opened");
    if (file !== "gone") yield* file.readable;
  }

  async times(name: string): Promise<GapSpan> {
    const { birthtime, mtime } = await Deno.lstat(`${this.#folder}/${name}`);
    const endMs = mtime?.getTime() ?? Date.now();
    return { startMs: Math.min(birthtime?.getTime() ?? endMs, endMs), endMs };
  }

  async replace(name: string, text: string): Promise<void> {
    const path = `${this.#folder}/${name}`;
    await Deno.remove(`${path}.new`).catch(ignoreMissing);
    const file = await Deno.open(`${path}.new`, { write: true, createNew: true, mode: FILE_MODE });
    if (!await tryLock(file)) throw unusable(path, "another process has locked it");
    try {
      await append(file, text);
      await Deno.rename(`${path}.new`, path);
    } catch (error) {
      await Deno.remove(`${path}.new`).catch(ignoreMissing); // a full disk has no room for what nobody reads
      file.close();
      throw error;
    }
    this.release(name);
    this.#held.set(name, file);
    await syncFolder(this.#folder); // a rename is durable only then
  }

  async setAside(name: string): Promise<void> {
    await Deno.rename(`${this.#folder}/${name}`, `${this.#folder}/${name}.set_aside`);
    this.release(name);
  }

  async remove(name: string): Promise<void> {
    await Deno.remove(`${this.#folder}/${name}`).catch(ignoreMissing);
    this.release(name);
  }

  close(): void {
    for (const name of [...this.#held.keys()]) this.release(name);
  }

  release(name: string): void {
    this.#held.get(name)?.close();
    this.#held.delete(name);
  }
}

async function append(file: Deno.FsFile, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
  await file.syncData();
}

/** Whether an open file still has its name: who waited for a lock may have got that of a file which is gone. */
async function standsAt(path: string, file: Deno.FsFile): Promise<boolean> {
  try {
    const [{ ino, dev }, there] = [await file.stat(), await Deno.lstat(path)];
    return there.ino === ino && there.dev === dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Opens a file that stands there itself and that nobody else may read or write. */
async function openOwn(path: string): Promise<Deno.FsFile | "gone" | "replaced"> {
  try {
    const seen = await Deno.lstat(path);
    refuseOthers(path, seen, "isFile", FILE_MODE);
    const file = await Deno.open(path);
    const opened = await file.stat();
    if (opened.ino === seen.ino && opened.dev === seen.dev) return file;
    file.close();
    return "replaced";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "gone";
    throw error;
  }
}

function refuseOthers(path: string, info: Deno.FileInfo, kind: "isFile" | "isDirectory", mode: number): void {
  if (!info[kind]) {
    throw unusable(path, `expected a ${kind === "isFile" ? "file" : "folder"}, found something else`);
  }
  const found = (info.mode ?? mode) & 0o777;
  if ((found & ~mode) === 0) return;
  throw unusable(path, `expected mode ${mode.toString(8)}, found ${found.toString(8)}`);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await Deno.open(path);
  try {
    await folder.sync();
  } finally {
    folder.close();
  }
}

function unusable(path: string, why: string): GatewayError {
  return new GatewayError("late_records_unusable", `Cannot use the late records in "${path}": ${why}`);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
