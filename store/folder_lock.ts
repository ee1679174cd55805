import { GatewayError } from "../core/errors.ts";

/** Holds a data folder for this process. */
export interface FolderLock {
  release(): void;
}

/** Deno before 2.9 can only wait for a lock: whoever does not get it in this time counts as refused. */
const WAIT_MS = 500;

/**
 * Takes the exclusive lock of the operating system on `<folder>/lock`; it ends with the process, however it ends. Two
 * processes in one folder would destroy the embedded database.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const file = await Deno.open(`${folder}/lock`, { create: true, read: true, write: true, mode: 0o600 });
  if (!await tryLock(file)) {
    throw new GatewayError(
      "data_folder_locked",
      `Cannot use the data folder "${folder}": another process holds its lock; stop that process, use another folder, or ` +
        "set DATABASE_URL to let several processes share one PostgreSQL",
    );
  }
  return { release: () => file.close() };
}

/**
 * Takes the exclusive lock of a file, which ends with its handle; closes the file when another process has it. `onAnswered`:
 * nothing waits for the lock any more, which may come later.
 */
export async function tryLock(file: Deno.FsFile, onAnswered: () => void = () => {}): Promise<boolean> {
  if (hasTryLock(file)) {
    const locked = await file.tryLock(true);
    if (!locked) file.close();
    onAnswered();
    return locked;
  }
  return await lockWithin(file, WAIT_MS, onAnswered);
}

/** The way of older versions: wait for the lock, and give it back when it comes too late. */
export async function lockWithin(
  file: Deno.FsFile,
  waitMs: number,
  onAnswered: () => void = () => {},
): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), waitMs);
  const lock = file.lock(true).then(() => true as const);
  const locked = await Promise.race([lock, late]);
  clearTimeout(timer);
  if (locked) onAnswered();
  else lock.catch(() => {}).then(() => (file.close(), onAnswered()));
  return locked;
}

function hasTryLock(file: object): file is { tryLock(exclusive: boolean): Promise<boolean> } {
  return "tryLock" in file;
}
