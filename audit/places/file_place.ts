/** A folder: one file per checkpoint, written whole or not at all, and never replaced. */
import type { FilePlaceConfig } from "../../core/checkpoint_places.ts";
import { equal } from "../merkle_tree.ts";
import { checkpointFileName, type HeldOptions, judgeAll, judgeHeld, sizeOfName } from "./held_checkpoint.ts";
import { type CheckpointPlace, type PlaceConflict, type PlacedCheckpoint, PlaceError } from "./place.ts";
import { provenGrowth } from "./proven_growth.ts";

export interface FilePlaceOptions extends HeldOptions {
  readonly newId: () => string;
}

/** What a folder has taken from us last. */
interface Taken {
  readonly checkpoint: PlacedCheckpoint;
  /** When the folder was changed then; another time says that another replica has written there. */
  readonly changedMs: number | undefined;
}

/** Makes it; nothing is written before the first push. */
export function filePlace(config: FilePlaceConfig, options: FilePlaceOptions): CheckpointPlace {
  /** By chain. */
  const taken = new Map<string, Taken>();
  /** By chain, the largest size that the database has known it to have. */
  const known = new Map<string, number>();
  return {
    ...{ name: config.name, type: config.type, intervalSeconds: config.interval_seconds },
    async push(checkpoint, heldSize) {
      const { chain, size } = checkpoint;
      const last = taken.get(chain);
      const isForgotten = heldSize < (known.get(chain) ?? 0);
      known.set(chain, Math.max(heldSize, known.get(chain) ?? 0));
      const folder = `${config.path}/${chain}`;
      const conflict = last === undefined || last.checkpoint.size > size || isForgotten
        ? await lookBeyond(Math.min(heldSize, size), checkpoint, folder, options)
        : await judgeTaken(last, checkpoint, folder, options);
      if (conflict !== undefined) return { kind: "conflict", ...conflict };
      const there = await onDisk(() => write(config.path, checkpoint, options));
      const other = there === undefined
        ? undefined
        : await judgeHeld(there, checkpoint.size, checkpoint, options);
      if (other !== undefined) return { kind: "conflict", ...other };
      taken.set(chain, { checkpoint, changedMs: await onDisk(() => changedAt(folder)) });
      return { kind: "taken" };
    },
  };
}

/**
 * What a database that was restored from a backup does not remember: checkpoints of more than `known` events. Reads the names
 * of all: there may be many, so not before every push.
 */
async function lookBeyond(
  known: number,
  checkpoint: PlacedCheckpoint,
  folder: string,
  options: HeldOptions,
): Promise<PlaceConflict | undefined> {
  const beyond = await onDisk(async () =>
    (await namesIn(folder)).filter((name) => (sizeOfName(name) ?? -1) > known)
  );
  const sizeOf = (name: string) => sizeOfName(name) ?? 0;
  return await judgeAll(beyond, checkpoint, sizeOf, async (name) => {
    const text = await onDisk(() => Deno.readTextFile(`${folder}/${name}`));
    return await judgeHeld(text, sizeOf(name), checkpoint, options);
  });
}

/**
 * A database may be restored while we run, and its log may have grown beyond ours before the next push. What other replicas
 * have written there since counts too: such a database may know no more than what we wrote.
 */
async function judgeTaken(
  { checkpoint: { size, root }, changedMs }: Taken,
  checkpoint: PlacedCheckpoint,
  folder: string,
  options: HeldOptions,
): Promise<PlaceConflict | undefined> {
  const growth = await provenGrowth(options.tree, checkpoint, size);
  if (!equal(growth.root, root)) return { code: "forked", size };
  const isOurs = changedMs !== undefined && await onDisk(() => changedAt(folder)) === changedMs;
  return isOurs ? undefined : await lookBeyond(size, checkpoint, folder, options);
}

/** Epoch milliseconds. Of an open folder: network file systems then ask their server. */
async function changedAt(folder: string): Promise<number | undefined> {
  try {
    using opened = await Deno.open(folder);
    return (await opened.stat()).mtime?.getTime();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Nothing when it was written; else what stands there already. */
async function write(
  folder: string,
  checkpoint: PlacedCheckpoint,
  { newId }: FilePlaceOptions,
): Promise<string | undefined> {
  const path = `${folder}/${checkpointFileName(checkpoint)}`;
  const chainFolder = path.slice(0, path.lastIndexOf("/"));
  await Deno.mkdir(chainFolder, { recursive: true, mode: 0o700 });
  const draft = `${chainFolder}/.${newId()}.new`;
  try {
    await writeDurably(draft, checkpoint.note);
    // A second name, and not a new one for the first: unlike a rename it fails where something stands.
    await Deno.link(draft, path);
    await sync(chainFolder);
    return undefined;
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    return await Deno.readTextFile(path);
  } finally {
    await Deno.remove(draft).catch(() => {}); // it may never have been made
  }
}

async function onDisk<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw new PlaceError(`Cannot write there: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text, { createNew: true, mode: 0o600 });
  await sync(path);
}

async function sync(path: string): Promise<void> {
  const file = await Deno.open(path);
  try {
    await file.sync();
  } finally {
    file.close();
  }
}
