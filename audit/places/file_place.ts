/** A folder: one file per checkpoint, written whole or not at all, and never replaced. */
import type { FilePlaceConfig } from "../../core/checkpoint_places.ts";
import type { NoteVerifier } from "../signed_note.ts";
import { checkpointFileName, isNewerName, judgeHeld } from "./held_checkpoint.ts";
import { type CheckpointPlace, type PlacedCheckpoint, PlaceError, type PushResult } from "./place.ts";

export interface FilePlaceOptions {
  readonly verifiersOf: (origin: string) => readonly NoteVerifier[];
  readonly newId: () => string;
}

/** Makes it; nothing is written before the first push. */
export function filePlace(config: FilePlaceConfig, options: FilePlaceOptions): CheckpointPlace {
  /** Chains of which the folder has nothing newer than our first. */
  const looked = new Set<string>();
  return {
    ...{ name: config.name, type: config.type, intervalSeconds: config.interval_seconds },
    async push(checkpoint) {
      try {
        const newer = looked.has(checkpoint.chain) ? undefined : await findNewer(config.path, checkpoint);
        if (newer !== undefined) return judgeHeld(newer, checkpoint, options.verifiersOf);
        looked.add(checkpoint.chain);
        return await write(config.path, checkpoint, options);
      } catch (error) {
        if (error instanceof PlaceError) throw error;
        throw new PlaceError(`Cannot write there: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  };
}

/** What a database that was restored from a backup does not remember: a checkpoint that is larger than its newest. */
async function findNewer(folder: string, checkpoint: PlacedCheckpoint): Promise<string | undefined> {
  try {
    for await (const { name } of Deno.readDir(`${folder}/${checkpoint.chain}`)) {
      if (!isNewerName(name, checkpoint)) continue;
      return await Deno.readTextFile(`${folder}/${checkpoint.chain}/${name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return undefined;
}

async function write(
  folder: string,
  checkpoint: PlacedCheckpoint,
  { verifiersOf, newId }: FilePlaceOptions,
): Promise<PushResult> {
  const path = `${folder}/${checkpointFileName(checkpoint)}`;
  const chainFolder = path.slice(0, path.lastIndexOf("/"));
  await Deno.mkdir(chainFolder, { recursive: true, mode: 0o700 });
  const draft = `${chainFolder}/.${newId()}.new`;
  try {
    await writeDurably(draft, checkpoint.note);
    // A second name, and not a new one for the first: unlike a rename it fails where something stands.
    await Deno.link(draft, path);
    await sync(chainFolder);
    return { kind: "taken" };
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    return judgeHeld(await Deno.readTextFile(path), checkpoint, verifiersOf);
  } finally {
    await Deno.remove(draft).catch(() => {}); // it may never have been made
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
