/** How the tree of a checkpoint has grown, as the database has it. */
import { consistencyProof, type Hash, treeRoot, verifyConsistency } from "../merkle_tree.ts";
import { TileError, tileNodes, type TreeStore } from "../tiles.ts";
import { type PlacedCheckpoint, PlaceError } from "./place.ts";

/** What the checkpoint's tree was when it had fewer events. */
export interface Growth {
  readonly root: Hash;
  /** Leads from that root to the checkpoint's. */
  readonly proof: readonly Hash[];
}

/**
 * The first `old` events of the checkpoint's tree. Checked, so that whoever holds another root has seen another log; throws
 * `PlaceError` when the stored tree does not lead to the checkpoint.
 */
export async function provenGrowth(
  tree: TreeStore,
  { chain, size, root }: PlacedCheckpoint,
  old: number,
): Promise<Growth> {
  try {
    const read = tileNodes(tree, chain, size);
    const [proof, oldRoot] = [await consistencyProof(old, size, read), await treeRoot(old, read)];
    if (!verifyConsistency({ size: old, root: oldRoot }, { size, root }, proof)) {
      throw new PlaceError("The stored tree does not lead to its own checkpoint");
    }
    return { root: oldRoot, proof };
  } catch (error) {
    if (error instanceof TileError) throw new PlaceError(`The stored tree is damaged: ${error.message}`);
    throw error;
  }
}
