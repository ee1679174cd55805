/** The last signed checkpoint of every chain, in files beside the database. */
import type { SecondPlace } from "../audit/log_signer.ts";

const ENDING = ".checkpoint";

/** Longer than any process takes from a draft to its name. */
const DRAFT_MS = 60_000;

/**
 * One file per log, named by its origin; replaced in one step and durable when `write` resolves. Several processes may share
 * the folder: each writes drafts of its own.
 */
export function fileSecondPlace(folder: string): SecondPlace {
  let isSwept = false;
  const pathOf = (origin: string) => `${folder}/${encodeURIComponent(origin)}${ENDING}`;
  return {
    async origins() {
      try {
        const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
        return names.flatMap((name) => originOfFile(name) ?? []).sort();
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return [];
        throw error;
      }
    },
    async read(origin) {
      try {
        return await Deno.readTextFile(pathOf(origin));
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    },
    async write(origin, note) {
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      if (!isSwept) await removeDrafts(folder);
      isSwept = true;
      const path = pathOf(origin);
      const draft = `${folder}/${crypto.randomUUID()}.new`; // the longest origin leaves no room beside its name
      try {
        await Deno.writeTextFile(draft, note, { createNew: true, mode: 0o600 });
        await sync(draft);
        await Deno.rename(draft, path);
      } catch (error) {
        await Deno.remove(draft).catch(() => {}); // it may never have been made
        throw error;
      }
      await sync(folder); // a rename is durable only then
    },
  };
}

/** `undefined` for a file that is no log's: a draft, or one that is not ours. */
function originOfFile(name: string): string | undefined {
  if (!name.endsWith(ENDING)) return undefined;
  try {
    return decodeURIComponent(name.slice(0, -ENDING.length));
  } catch {
    return undefined;
  }
}

/** What killed processes left. */
async function removeDrafts(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith(".new")) continue;
    const path = `${folder}/${name}`;
    const found = await Deno.lstat(path).catch(ignoreMissing);
    const isOld = Date.now() - (found?.mtime?.getTime() ?? Date.now()) > DRAFT_MS;
    if (isOld) await Deno.remove(path).catch(ignoreMissing);
  }
}

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

async function sync(path: string): Promise<void> {
  const file = await Deno.open(path);
  try {
    await file.sync();
  } finally {
    file.close();
  }
}
