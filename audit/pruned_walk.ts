/** Goes over the pruned beginning of a chain: its leaves come from the tiles, because the events themselves are gone. */
import type { AuditRow } from "../core/audit_entry.ts";
import type { ChainBreak } from "./chain_walk.ts";
import { hex } from "./digest.ts";
import { EventCheck } from "./event_check.ts";
import { LeafRun } from "./merkle_range.ts";
import { equal, leafHash } from "./merkle_tree.ts";
import { PruneError, type PruneRecord, pruneRecord } from "./prune_record.ts";
import { hashesOf, readTile, TILE_WIDTH, TileError, type TreeStore } from "./tiles.ts";

/** Which beginning of a chain is pruned, and where the events stand that account for it. */
export interface PrunedRange {
  readonly to: number;
  readonly requestSeq: number;
  readonly eventSeq: number;
}

/** What is read of a chain that may be pruned. */
export interface PrunedReader extends TreeStore {
  read(chain: string, afterSeq: number, limit: number): Promise<readonly AuditRow[]>;
  /** The last prune; `undefined` when every event must be there. */
  pruned(chain: string): Promise<PrunedRange | undefined>;
  /** The first salt up to `to` whose event is gone: there must be none. */
  strandedSalt(chain: string, to: number): Promise<number | undefined>;
}

/** A place where a pruned chain is not what it claims. */
export class PrunedBreak extends Error {
  override readonly name = "PrunedBreak";
  constructor(readonly at: ChainBreak) {
    super(at.found);
  }
}

/** Tiles that are read at once. */
const TILES_AT_ONCE = 16;

/** Reads and judges the events that account for a pruned range; throws `PrunedBreak`. */
export async function readPruneRecord(
  reader: Pick<PrunedReader, "read">,
  { to, requestSeq, eventSeq }: PrunedRange,
  of: { readonly chain: string; readonly log_id: string },
): Promise<PruneRecord> {
  const [request, event] = await Promise.all(
    [requestSeq, eventSeq].map(async (seq) => {
      const [row] = await reader.read(of.chain, seq - 1, 1);
      return { seq, canonical: row?.seq === seq ? row.canonical : "" };
    }),
  );
  try {
    const record = pruneRecord({ request: request!, event: event! }, of);
    if (record.to === to) return record;
    throw new PruneError(`The prune says up to ${record.to}, the database up to ${to}`);
  } catch (error) {
    if (!(error instanceof PruneError)) throw error;
    throw broken(eventSeq, `a prune of the events up to ${to} that two operators wanted`, error.message);
  }
}

/** Where the walk over the events that are left begins. */
export interface PrunedStart {
  readonly run: LeafRun;
  readonly check: EventCheck;
  /** Root of the tree by size, of those that were wanted. */
  readonly roots: ReadonlyMap<number, Uint8Array>;
}

/** Recomputes the tree over the pruned leaves; throws `PrunedBreak`. `undefined` when aborted. */
export async function walkPruned(
  reader: PrunedReader,
  { to, chainHash, owed }: PruneRecord,
  of: {
    readonly chain: string;
    readonly log_id: string;
    readonly signal?: AbortSignal | undefined;
    /** Sizes at which the root of the tree is wanted. */
    readonly rootsAt?: readonly number[];
  },
): Promise<PrunedStart | undefined> {
  const { chain, log_id, signal } = of;
  const wanted = new Set(of.rootsAt ?? []);
  const roots = new Map<number, Uint8Array>();
  const stranded = await reader.strandedSalt(chain, to);
  if (stranded !== undefined) throw broken(stranded, "no salt of a pruned event", "a salt");
  const run = new LeafRun(0);
  const first = (await reader.read(chain, 0, 1))[0]?.seq ?? Infinity;
  for (let index = 0; index < to / TILE_WIDTH; index += TILES_AT_ONCE) {
    if (signal?.aborted === true) return undefined;
    const until = Math.min(to / TILE_WIDTH, index + TILES_AT_ONCE);
    const tiles = await readTiles(reader, chain, index, until);
    const leaves = tiles.flatMap((tile) => [...hashesOf(tile)]);
    if (first <= until * TILE_WIDTH) await compareBodies(reader, chain, index * TILE_WIDTH, leaves);
    for (const leaf of leaves) {
      if (wanted.has(run.end)) roots.set(run.end, run.root());
      run.push(leaf);
    }
  }
  const check = new EventCheck({ log_id, chain, first: to + 1, chain_hash: { before: chainHash }, owed });
  return { run, check, roots };
}

/** Bodies that have not gone yet, or were put back, must be those that the tree has. */
async function compareBodies(
  reader: PrunedReader,
  chain: string,
  after: number,
  leaves: readonly Uint8Array[],
): Promise<void> {
  for (const { seq, canonical } of await reader.read(chain, after, leaves.length)) {
    const leaf = leaves[seq - after - 1];
    if (leaf === undefined) return;
    const found = leafHash(canonical);
    if (equal(found, leaf)) continue;
    throw broken(seq, `the event with leaf hash ${hex(leaf)}, or none`, `one with ${hex(found)}`);
  }
}

async function readTiles(reader: TreeStore, chain: string, from: number, to: number): Promise<Uint8Array[]> {
  const indexes = Array.from({ length: to - from }, (_, at) => from + at);
  try {
    return await Promise.all(
      indexes.map((index) => readTile(reader, chain, { level: 0, index, width: TILE_WIDTH })),
    );
  } catch (error) {
    if (!(error instanceof TileError)) throw error;
    throw broken(from * TILE_WIDTH + 1, "the hashes of pruned events", error.message);
  }
}

function broken(seq: number, expected: string, found: string): PrunedBreak {
  return new PrunedBreak({ seq, what: "pruned", expected, found });
}
