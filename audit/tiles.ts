/**
 * The Merkle tree cut into tiles (C2SP tlog-tiles, https://c2sp.org/tlog-tiles): a tile of level `L` and index `N` holds up
 * to 256 hashes, those of the nodes at tree level `8·L` from index `256·N` on. Full tiles never change and are stored; a
 * partial tile is made from what lies under it.
 */
import { LeafRun } from "./merkle_range.ts";
import { type Hash, leafHash, type NodeReader } from "./merkle_tree.ts";

export const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;
const HASH_BYTES = 32;

/** A full tile, and the root of the subtree that it spans. */
export interface FullTile {
  readonly level: number;
  readonly index: number;
  /** 256 hashes, one after the other. */
  readonly hashes: Uint8Array;
  readonly root: Hash;
}

/** What tiles are made from; `store/audit_tree.ts` fits. */
export interface TreeStore {
  /** The 8,192 bytes of a full tile, `undefined` when it is not stored. */
  fullTile(chain: string, level: number, index: number): Promise<Uint8Array | undefined>;
  /** Roots of the stored full tiles of a level, `from` included, `to` excluded, in order. */
  tileRoots(chain: string, level: number, from: number, to: number): Promise<readonly Hash[]>;
  /** Canonical texts of the events `from + 1` to `to`: the leaves `[from, to)`. */
  entries(chain: string, from: number, to: number): Promise<readonly string[]>;
}

/** A tile that is not in the tree, or whose parts are not stored. */
export class TileError extends Error {
  override readonly name = "TileError";
}

/** How many hashes the tile has in a tree of this size; 0 when it has none. */
export function tileWidth(level: number, index: number, size: number): number {
  const nodes = Math.floor(size / 2 ** (TILE_HEIGHT * level));
  return Math.max(0, Math.min(TILE_WIDTH, nodes - index * TILE_WIDTH));
}

/** The hashes of a tile of this width; throws `TileError`. */
export async function readTile(
  store: TreeStore,
  chain: string,
  at: { readonly level: number; readonly index: number; readonly width: number },
): Promise<Uint8Array> {
  const { level, index, width } = at;
  const [from, to] = [index * TILE_WIDTH, index * TILE_WIDTH + width];
  const full = await store.fullTile(chain, level, index);
  const hashes = full?.subarray(0, width * HASH_BYTES) ??
    joined(
      level === 0
        ? (await store.entries(chain, from, to)).map(leafHash)
        : await store.tileRoots(chain, level - 1, from, to),
    );
  if (hashes.length === width * HASH_BYTES) return hashes;
  throw new TileError(
    `Expected ${width} hashes in tile ${level}/${index} of "${chain}", found ${hashes.length / HASH_BYTES}`,
  );
}

/** Reads nodes of the tree with `size` leaves from its tiles; remembers the tiles of one use. */
export function tileNodes(store: TreeStore, chain: string, size: number): NodeReader {
  const tiles = new Map<string, Promise<Uint8Array>>();
  return async (level, index) => {
    const [tileLevel, height] = [Math.floor(level / TILE_HEIGHT), level % TILE_HEIGHT];
    const first = index * 2 ** height;
    const tileIndex = Math.floor(first / TILE_WIDTH);
    const width = tileWidth(tileLevel, tileIndex, size);
    const name = `${tileLevel}/${tileIndex}`;
    let tile = tiles.get(name);
    if (tile === undefined) {
      tile = readTile(store, chain, { level: tileLevel, index: tileIndex, width });
      tiles.set(name, tile);
    }
    const from = first - tileIndex * TILE_WIDTH;
    const hashes = [...hashesOf((await tile).subarray(from * HASH_BYTES, (from + 2 ** height) * HASH_BYTES))];
    if (hashes.length !== 2 ** height) throw new TileError(`Node ${level}/${index} lies outside the tree`);
    return rootOf(hashes);
  };
}

/** Collects leaves into full tiles of every level. Begins where `size` leaves were already collected. */
export class TileBuilder {
  readonly #levels: Hash[][] = [];
  readonly #indexes: number[] = [];

  private constructor() {}

  /** Goes on after the first `size` leaves, whose full tiles are stored. */
  static async resume(store: TreeStore, chain: string, size: number): Promise<TileBuilder> {
    const builder = new TileBuilder();
    for (let level = 0; size >= 2 ** (TILE_HEIGHT * level); level++) {
      const nodes = Math.floor(size / 2 ** (TILE_HEIGHT * level));
      const index = Math.floor(nodes / TILE_WIDTH);
      const width = nodes % TILE_WIDTH;
      builder.#indexes[level] = index;
      builder.#levels[level] = width === 0
        ? []
        : [...hashesOf(await readTile(store, chain, { level, index, width }))];
    }
    return builder;
  }

  /** Takes the next leaf and returns the tiles that it fills. */
  push(leaf: Hash): FullTile[] {
    const filled: FullTile[] = [];
    let node = leaf;
    for (let level = 0;; level++) {
      const hashes = this.#levels[level] ??= [];
      hashes.push(node);
      if (hashes.length < TILE_WIDTH) return filled;
      const index = this.#indexes[level] ??= 0;
      node = rootOf(hashes);
      filled.push({ level, index, hashes: joined(hashes), root: node });
      this.#levels[level] = [];
      this.#indexes[level] = index + 1;
    }
  }
}

/** The hashes that stand one after the other in a tile. */
export function* hashesOf(tile: Uint8Array): Generator<Hash> {
  for (let at = 0; at < tile.length; at += HASH_BYTES) yield tile.subarray(at, at + HASH_BYTES);
}

/** The path of a tile index: groups of three digits, all but the last with an "x" (tlog-tiles). */
export function tilePath(index: number): string {
  let path = String(index % 1000).padStart(3, "0");
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    path = `x${String(rest % 1000).padStart(3, "0")}/${path}`;
  }
  return path;
}

/** The index and, for a partial tile, the width of a path such as `x001/234.p/8`; `undefined` for no path of a tile. */
export function parseTilePath(path: string): { readonly index: number; readonly width: number } | undefined {
  const [, groups, partial] = /^((?:x\d{3}\/){0,4}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path) ?? [];
  if (groups === undefined) return undefined;
  const index = Number(groups.replaceAll(/[x/]/g, ""));
  const width = partial === undefined ? TILE_WIDTH : Number(partial);
  if (tilePath(index) !== groups || (partial !== undefined && width >= TILE_WIDTH)) return undefined;
  return { index, width };
}

/** An entry bundle: every entry after its length, 16 bits, big-endian. */
export function entryBundle(entries: readonly string[]): Uint8Array<ArrayBuffer> {
  const texts = entries.map((entry) => new TextEncoder().encode(entry));
  const bundle = new Uint8Array(texts.reduce((length, text) => length + 2 + text.length, 0));
  let at = 0;
  for (const text of texts) {
    if (text.length > 0xffff) throw new RangeError(`An entry has ${text.length} bytes, at most 65,535 fit`);
    bundle.set([text.length >> 8, text.length & 0xff], at);
    bundle.set(text, at + 2);
    at += 2 + text.length;
  }
  return bundle;
}

function rootOf(hashes: readonly Hash[]): Hash {
  const run = new LeafRun(0);
  for (const hash of hashes) run.push(hash);
  return run.root();
}

function joined(hashes: readonly Hash[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * HASH_BYTES);
  for (const [at, hash] of hashes.entries()) bytes.set(hash, at * HASH_BYTES);
  return bytes;
}
