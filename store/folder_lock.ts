import { GatewayError } from "../core/errors.ts";

/** Holds a data folder for this process. */
export interface FolderLock {
  release(): void;
}

/**
 * Takes the exclusive lock of the operating system on `<folder>/lock`; it ends with the process, however it ends. Two
 * processes in one folder would destroy the embedded database.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const file = await Deno.open(`${folder}/lock`, { create: true, read: true, write: true, mode: 0o600 });
  if (!await file.tryLock(true)) {
    file.close();
    throw new GatewayError(
      "data_folder_locked",
      `Cannot use the data folder "${folder}": another process holds its lock; stop that process, use another folder, or ` +
        "set DATABASE_URL to let several processes share one PostgreSQL",
    );
  }
  return { release: () => file.close() };
}
