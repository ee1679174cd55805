/** What a place that keeps checkpoints already has under the name of one that is to be written. */
import { openCheckpoint } from "../checkpoint.ts";
import { equal } from "../merkle_tree.ts";
import { NoteError, type NoteVerifier } from "../signed_note.ts";
import { type PlacedCheckpoint, PlaceError, type PushResult } from "./place.ts";

/** Digits of the largest size: names then sort as sizes do. */
const SIZE_DIGITS = 16;

const FILE_NAME = /^\d{16}\.checkpoint$/;

/** Whether a file of a chain's folder is one of a larger checkpoint. */
export function isNewerName(name: string, checkpoint: PlacedCheckpoint): boolean {
  return FILE_NAME.test(name) && `${checkpoint.chain}/${name}` > checkpointFileName(checkpoint);
}

/** Name of the file or object of a checkpoint, below that of its chain. */
export function checkpointFileName({ chain, size }: Pick<PlacedCheckpoint, "chain" | "size">): string {
  return `${chain}/${String(size).padStart(SIZE_DIGITS, "0")}.checkpoint`;
}

/**
 * `held` stands where `checkpoint` belongs, or where a larger one does. Throws `PlaceError` when it is nothing that this log
 * has signed.
 */
export function judgeHeld(
  held: string,
  checkpoint: PlacedCheckpoint,
  verifiersOf: (origin: string) => readonly NoteVerifier[],
): PushResult {
  const { origin, size, root } = checkpoint;
  try {
    const found = openCheckpoint(held, { origin, keys: verifiersOf(origin) }).checkpoint;
    if (found.size > size) return { kind: "conflict", code: "rolled_back", size: found.size };
    const isSame = found.size === size && equal(found.root, root);
    return isSame ? { kind: "taken" } : { kind: "conflict", code: "forked", size: found.size };
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    throw new PlaceError(`Something else stands where a checkpoint of this log belongs: ${error.message}`);
  }
}
