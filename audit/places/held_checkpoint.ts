/** What the checkpoints that a place keeps say against the one that is to be written there. */
import { openCheckpoint } from "../checkpoint.ts";
import { equal } from "../merkle_tree.ts";
import { NoteError, type NoteVerifier } from "../signed_note.ts";
import type { TreeStore } from "../tiles.ts";
import { type PlaceConflict, type PlacedCheckpoint, PlaceError } from "./place.ts";
import { provenGrowth } from "./proven_growth.ts";

/** What a checkpoint that somebody keeps is held against. */
export interface HeldOptions {
  readonly tree: TreeStore;
  readonly verifiersOf: (origin: string) => readonly NoteVerifier[];
}

/** Digits of the largest size: names then sort as sizes do. */
const SIZE_DIGITS = 16;
const FILE_NAME = /^(\d{16})\.checkpoint$/;
/** So many are read, from the largest on: what a stranger has put there must not hide the next one. */
const MAX_JUDGED = 64;

/** What stands there is no checkpoint of this log that a key of ours has signed under that name. */
class ForeignNote extends PlaceError {}

/** Name of the file or object of a checkpoint, below that of its chain. */
export function checkpointFileName({ chain, size }: Pick<PlacedCheckpoint, "chain" | "size">): string {
  return `${chain}/${String(size).padStart(SIZE_DIGITS, "0")}.checkpoint`;
}

/** Size of the checkpoint that a file of a chain's folder has by its name; `undefined` when it is no checkpoint's. */
export function sizeOfName(name: string): number | undefined {
  const size = Number(FILE_NAME.exec(name)?.[1] ?? NaN);
  return Number.isSafeInteger(size) ? size : undefined;
}

/**
 * What `text`, which stands under the name of a checkpoint of `heldSize` events, says against `checkpoint`; nothing when the
 * log continues it. Throws `PlaceError` when it is nothing that this log has signed.
 */
export async function judgeHeld(
  text: string,
  heldSize: number,
  checkpoint: PlacedCheckpoint,
  { tree, verifiersOf }: HeldOptions,
): Promise<PlaceConflict | undefined> {
  const { origin, size } = checkpoint;
  const held = openHeld(text, origin, verifiersOf(origin));
  if (held.size !== heldSize) {
    throw new ForeignNote(`Expected a checkpoint of ${heldSize} events under its name, found ${held.size}`);
  }
  if (held.size > size) return { code: "rolled_back", size: held.size };
  const { root } = await provenGrowth(tree, checkpoint, held.size);
  return equal(held.root, root) ? undefined : { code: "forked", size: held.size };
}

/**
 * Judges all that stand there besides `checkpoint`, by `sizeOf`; the largest ones when there are too many. What is not ours
 * is passed over below the checkpoint, where a key may have signed that is retired, and refused above it.
 */
export async function judgeAll<Held>(
  all: readonly Held[],
  { size }: PlacedCheckpoint,
  sizeOf: (held: Held) => number,
  judge: (held: Held) => Promise<PlaceConflict | undefined>,
): Promise<PlaceConflict | undefined> {
  let foreign: ForeignNote | undefined;
  const largest = all.toSorted((left, right) => sizeOf(right) - sizeOf(left)).slice(0, MAX_JUDGED);
  for (const held of largest) {
    try {
      const conflict = await judge(held);
      if (conflict !== undefined) return conflict;
    } catch (error) {
      if (!(error instanceof ForeignNote)) throw error;
      if (sizeOf(held) >= size) foreign ??= error; // whoever put it there may have put it in the place of one of ours
    }
  }
  if (foreign !== undefined) throw foreign;
  return undefined;
}

function openHeld(text: string, origin: string, keys: readonly NoteVerifier[]) {
  try {
    return openCheckpoint(text, { origin, keys }).checkpoint;
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    throw new ForeignNote(`Something else stands where a checkpoint of this log belongs: ${error.message}`);
  }
}
