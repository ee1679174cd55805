/**
 * Signs checkpoints of the chains: collects new events into the Merkle tree, and says with a signature how many there are
 * and what their root is. Never signs a tree that does not begin with the last one that it signed.
 */
import { type Checkpoint, openCheckpoint, originOf, signCheckpoint } from "./checkpoint.ts";
import { resumeRun } from "./merkle_range.ts";
import { equal, leafHash, treeRoot } from "./merkle_tree.ts";
import { NoteError, type NoteSigner, type NoteVerifier } from "./signed_note.ts";
import { type FullTile, TileBuilder, TileError, tileNodes, type TreeStore } from "./tiles.ts";

/** A checkpoint as the database keeps it. */
export interface StoredCheckpoint {
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
  /** Epoch seconds. */
  readonly signedAt: number;
}

/** What signing reads and writes; `store/audit_tree.ts` and `store/audit_events.ts` fit. */
export interface LogStore extends TreeStore {
  chains(): Promise<readonly string[]>;
  head(chain: string): Promise<{ readonly seq: number } | undefined>;
  latestCheckpoint(chain: string): Promise<StoredCheckpoint | undefined>;
  addTiles(chain: string, tiles: readonly FullTile[]): Promise<void>;
  /** False when another replica has added one meanwhile. */
  addCheckpoint(
    chain: string,
    checkpoint: {
      readonly baseSize: number;
      readonly size: number;
      readonly root: Uint8Array;
      readonly note: string;
    },
  ): Promise<boolean>;
}

/** Where the last signed checkpoint of a chain is kept besides the database. */
export interface SecondPlace {
  /** The logs of which it keeps one. */
  origins(): Promise<readonly string[]>;
  read(origin: string): Promise<string | undefined>;
  write(origin: string, note: string): Promise<void>;
}

export interface LogSignerOptions {
  readonly store: LogStore;
  readonly secondPlace: Pick<SecondPlace, "read" | "write">;
  /** What a place outside is known to hold against the log's continuation. */
  readonly heldOutside?: (chain: string, origin: string) => Promise<
    { readonly code: "rolled_back" | "forked"; readonly size: number } | undefined
  >;
  /** The log's name, to which the chain is added. */
  readonly logOrigin: string;
  /** Keys that sign, the active one first: more than one while keys change over. */
  readonly signersOf: (origin: string) => readonly NoteSigner[];
  readonly verifiersOf: (origin: string) => readonly NoteVerifier[];
}

/** Why a chain was not signed: something that was signed before is not what the database now holds. */
export interface SignRefusal {
  readonly chain: string;
  /**
   * `rolled_back`: fewer events than were signed. `forked`: other events than were signed. Of both a place outside may tell.
   * `tiles_damaged`: the stored tree does not lead to the last checkpoint. `events_missing`: events, or the head of the chain,
   * are not there that must be. `unreadable`: the second place holds something that is none of our checkpoints.
   */
  readonly code: "rolled_back" | "forked" | "tiles_damaged" | "events_missing" | "unreadable";
  readonly signedSize: number;
  readonly size: number;
}

/**
 * What cannot be told of a chain that was signed all the same. `second_place_empty`: the database has checkpoints of which the
 * second place knows none, so nothing showed whether the database is an old one. `checkpoints_missing`: the database has none,
 * the second place has.
 */
export type SignDoubt = "second_place_empty" | "checkpoints_missing";

export type SignResult =
  | {
    readonly kind: "signed";
    readonly origin: string;
    readonly size: number;
    readonly note: string;
    readonly doubt?: SignDoubt;
  }
  /** Nothing new, or another replica was faster. */
  | { readonly kind: "unchanged"; readonly size: number; readonly doubt?: SignDoubt }
  | { readonly kind: "refused"; readonly refusal: SignRefusal };

const PAGE = 500;
/** A tile has 8 KiB; so many go to the database at once. */
const TILES_AT_ONCE = 64;

/**
 * Signs the chain's present state after `last`, its latest checkpoint; throws only when the database or the second place does
 * not answer.
 */
export async function signChain(
  options: LogSignerOptions,
  chain: string,
  last: StoredCheckpoint | undefined,
): Promise<SignResult> {
  const { store } = options;
  const origin = originOf(options.logOrigin, chain);
  const from = last?.size ?? 0;
  const kept = await readSecondPlace(options, origin);
  // Read after both checkpoints: one that another replica signs meanwhile must not look like a log that was rolled back.
  const head = await store.head(chain);
  const size = head?.seq ?? 0;
  if (kept === "unreadable") return refusal(chain, "unreadable", 0, size);
  // A tenant is made together with the head of its chain.
  if (head === undefined) return headless(chain, Math.max(from, kept?.size ?? 0));
  const refused = await refusalBefore(store, chain, { size, last, kept });
  if (refused !== undefined) return refused;
  const outside = await options.heldOutside?.(chain, origin);
  if (outside !== undefined) return refusal(chain, outside.code, outside.size, size);
  const doubt = doubtOf(last, kept);
  if (last !== undefined && size === from) {
    if (kept === undefined || kept.size < from) await catchUp(options, origin, last);
    return { kind: "unchanged", size, ...doubt };
  }
  const collected = await collectLeaves(store, chain, { from, size, keptSize: kept?.size });
  if (collected === undefined) return refusal(chain, "events_missing", from, size);
  const { root, keptRoot } = collected;
  if (keptRoot !== undefined && kept !== undefined && !equal(keptRoot, kept.root)) {
    return refusal(chain, "forked", kept.size, size);
  }
  const note = signCheckpoint({ origin, size, root }, options.signersOf(origin));
  // First outside: a crash in between leaves a checkpoint there that the next one will follow.
  await options.secondPlace.write(origin, note);
  const added = await store.addCheckpoint(chain, { baseSize: from, size, root, note });
  return added ? { kind: "signed", origin, size, note, ...doubt } : { kind: "unchanged", size, ...doubt };
}

function headless(chain: string, signedSize: number): SignResult {
  return refusal(chain, signedSize > 0 ? "rolled_back" : "events_missing", signedSize, 0);
}

function doubtOf(
  last: StoredCheckpoint | undefined,
  kept: Checkpoint | undefined,
): { readonly doubt?: SignDoubt } {
  if (kept === undefined) return last === undefined ? {} : { doubt: "second_place_empty" };
  return last === undefined && kept.size > 0 ? { doubt: "checkpoints_missing" } : {};
}

/**
 * Another replica has signed: this one's second place must know it too, or a database from before that would look whole here.
 * What the database says counts only when this log's key has signed it.
 */
async function catchUp(
  { secondPlace, verifiersOf }: LogSignerOptions,
  origin: string,
  { note, size, root }: StoredCheckpoint,
): Promise<void> {
  try {
    const { checkpoint } = openCheckpoint(note, { origin, keys: verifiersOf(origin) });
    if (checkpoint.size !== size || !equal(checkpoint.root, root)) return;
  } catch (error) {
    if (error instanceof NoteError) return;
    throw error;
  }
  await secondPlace.write(origin, note);
}

/** What the database's last checkpoint and the one in the second place say against signing. */
async function refusalBefore(
  store: LogStore,
  chain: string,
  { size, last, kept }: {
    readonly size: number;
    readonly last: StoredCheckpoint | undefined;
    readonly kept: Checkpoint | undefined;
  },
): Promise<SignResult | undefined> {
  const from = last?.size ?? 0;
  const signedSize = Math.max(from, kept?.size ?? 0);
  if (size < signedSize) return refusal(chain, "rolled_back", signedSize, size);
  if (last !== undefined && !await leadsTo(store, chain, from, last)) {
    return refusal(chain, "tiles_damaged", from, size);
  }
  // A checkpoint of the database proves nothing here: it would be restored together with the events.
  if (kept !== undefined && kept.size <= from && !await leadsTo(store, chain, from, kept)) {
    return refusal(chain, "forked", kept.size, size);
  }
  return undefined;
}

function refusal(chain: string, code: SignRefusal["code"], signedSize: number, size: number): SignResult {
  return { kind: "refused", refusal: { chain, code, signedSize, size } };
}

async function readSecondPlace(
  options: LogSignerOptions,
  origin: string,
): Promise<Checkpoint | "unreadable" | undefined> {
  const note = await options.secondPlace.read(origin);
  if (note === undefined) return undefined;
  try {
    return openCheckpoint(note, { origin, keys: options.verifiersOf(origin) }).checkpoint;
  } catch {
    return "unreadable";
  }
}

/** Whether the stored tree of `size` leaves has this root after the checkpoint's number of leaves. */
async function leadsTo(
  store: LogStore,
  chain: string,
  size: number,
  checkpoint: { readonly size: number; readonly root: Uint8Array },
): Promise<boolean> {
  try {
    const root = await treeRoot(checkpoint.size, tileNodes(store, chain, size));
    return equal(root, checkpoint.root);
  } catch (error) {
    if (error instanceof TileError) return false;
    throw error;
  }
}

/**
 * Adds the leaves `[from, size)` to the stored tree. `keptRoot` is the root on the way at `keptSize`; `undefined` in all when
 * an event is missing.
 */
async function collectLeaves(
  store: LogStore,
  chain: string,
  { from, size, keptSize }: {
    readonly from: number;
    readonly size: number;
    readonly keptSize: number | undefined;
  },
): Promise<{ readonly root: Uint8Array; readonly keptRoot: Uint8Array | undefined } | undefined> {
  const run = await resumeRun(from, tileNodes(store, chain, from));
  const builder = await TileBuilder.resume(store, chain, from);
  let filled: FullTile[] = [];
  let keptRoot: Uint8Array | undefined;
  for (let at = from; at < size; at += PAGE) {
    const until = Math.min(size, at + PAGE);
    const entries = await store.entries(chain, at, until);
    if (entries.length !== until - at) return undefined;
    for (const entry of entries) {
      const leaf = leafHash(entry);
      run.push(leaf);
      filled.push(...builder.push(leaf));
      if (run.end === keptSize) keptRoot = run.root();
    }
    if (filled.length >= TILES_AT_ONCE || until === size) {
      await store.addTiles(chain, filled);
      filled = [];
    }
  }
  return { root: run.root(), keptRoot };
}
