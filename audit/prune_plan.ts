/** Looks at what is to be pruned before it goes: only what verifies may. */
import type { JsonObject } from "../core/json.ts";
import { type ChainBreak, walkChain } from "./chain_walk.ts";
import { genesisHash, hex } from "./digest.ts";
import { EventCheck } from "./event_check.ts";
import { LeafRun } from "./merkle_range.ts";
import { equal, treeRoot } from "./merkle_tree.ts";
import { MAX_OWED } from "./prune_record.ts";
import { PrunedBreak, type PrunedStart, readPruneRecord, walkPruned } from "./pruned_walk.ts";
import { TileError, tileNodes } from "./tiles.ts";
import type { ChainReader } from "./verify.ts";

/** Why a range must not be pruned. */
export class PrunePlanError extends Error {
  override readonly name = "PrunePlanError";
}

/** What is to be pruned. */
export interface PrunePlanOrder {
  readonly chain: string;
  readonly logId: string;
  readonly from: number;
  readonly to: number;
  readonly signal: AbortSignal;
}

/**
 * Recomputes the chain up to the border and holds it against the stored tree. Returns what the prune event says besides its
 * request and the checkpoint; throws `PrunePlanError`.
 */
export async function planPrune(reader: ChainReader, order: PrunePlanOrder): Promise<JsonObject> {
  const { chain, from, to, signal } = order;
  try {
    const start = await startOf(reader, order);
    if (start === undefined) throw tooLong();
    const { run, check } = start;
    if (run.end !== from - 1) {
      throw new PrunePlanError(`The events from ${from} on were asked for, not these`);
    }
    const { broken, isAborted } = await walkChain(
      reader,
      { chain, last: to, signal, rootsAt: [] },
      run,
      check,
    );
    if (broken !== undefined) throw found(broken);
    if (isAborted) throw tooLong();
    if (!equal(run.root(), await treeRoot(to, tileNodes(reader, chain, to)))) {
      throw new PrunePlanError(`The events up to ${to} are not those of the tree`);
    }
    if (check.open > MAX_OWED) {
      throw new PrunePlanError(
        `${check.open} allows up to ${to} have no outcome there, at most ${MAX_OWED} may`,
      );
    }
    return { from, to, chain_hash: check.hash, owed: [...check.openDecisions()] };
  } catch (error) {
    if (error instanceof PrunedBreak) throw found(error.at);
    if (error instanceof TileError) throw new PrunePlanError(error.message);
    throw error;
  }
}

async function startOf(
  reader: ChainReader,
  { chain, logId, signal }: PrunePlanOrder,
): Promise<PrunedStart | undefined> {
  const of = { chain, log_id: logId, signal };
  const pruned = await reader.pruned(chain);
  if (pruned !== undefined) return await walkPruned(reader, await readPruneRecord(reader, pruned, of), of);
  const before = hex(genesisHash(logId, chain));
  const check = new EventCheck({ log_id: logId, chain, first: 1, chain_hash: { before } });
  return { run: new LeafRun(0), check, roots: new Map() };
}

function found({ seq, what, expected, found }: ChainBreak): PrunePlanError {
  return new PrunePlanError(
    `The chain is broken at event ${seq} (${what}): expected ${expected}, found ${found}`,
  );
}

function tooLong(): PrunePlanError {
  return new PrunePlanError("The events could not be recomputed in time");
}
