/**
 * A run of leaves against the root of the whole tree: what an export of some events needs. The proof holds, from left to
 * right, the roots of those RFC 6962 subtrees, as large as possible, that contain no leaf of the run.
 */
import { hash } from "node:crypto";
import { hex } from "./digest.ts";
import {
  coveringNodes,
  foldRight,
  type Hash,
  nodeHash,
  type NodeReader,
  rangeRoot,
  splitPoint,
  type TreeNode,
} from "./merkle_tree.ts";

const HASH_BYTES = 32;

/** A perfect subtree with its hash. */
export interface HashedNode extends TreeNode {
  readonly hash: Hash;
}

/**
 * Takes leaves one after the other and keeps only the roots of the largest perfect subtrees: at most two for every power of
 * two, however long the run is.
 */
export class LeafRun {
  readonly begin: number;
  #end: number;
  /** Levels and hashes of the subtrees, left to right; lower-case hex, which the runtime makes faster than a buffer. */
  readonly #levels: number[];
  readonly #hashes: string[];
  /** 0x01 ‖ left ‖ right of the node that is made next. */
  readonly #pair = Uint8Array.of(1, ...new Uint8Array(2 * HASH_BYTES));
  readonly #left = this.#pair.subarray(1, 1 + HASH_BYTES);
  readonly #right = this.#pair.subarray(1 + HASH_BYTES);

  /** `nodes`: the subtrees of leaves that were already taken, from an earlier run that began at `begin`. */
  constructor(begin: number, nodes: readonly HashedNode[] = []) {
    this.begin = begin;
    this.#levels = nodes.map(({ level }) => level);
    this.#hashes = nodes.map(({ hash }) => hex(hash));
    const last = nodes.at(-1);
    this.#end = last === undefined ? begin : (last.index + 1) * 2 ** last.level;
  }

  /** Number of the leaf that comes next. */
  get end(): number {
    return this.#end;
  }

  get nodes(): readonly HashedNode[] {
    let index = this.#end;
    const nodes = this.#levels.map((level, at) => ({ level, hash: Uint8Array.fromHex(this.#hashes[at]!) }));
    return nodes.toReversed().map(({ level, hash }) => {
      index -= 2 ** level;
      return { level, index: index / 2 ** level, hash };
    }).reverse();
  }

  push(leaf: Hash): void {
    this.pushHex(hex(leaf));
  }

  /** The same of a leaf in lower-case hex. */
  pushHex(leaf: string): void {
    let [level, index, node] = [0, this.#end, leaf];
    // A right child whose left sibling lies in the run is joined with it.
    while (index % 2 === 1 && this.#levels.at(-1) === level) {
      this.#levels.pop();
      node = this.#nodeHash(this.#hashes.pop()!, node);
      [level, index] = [level + 1, (index - 1) / 2];
    }
    this.#levels.push(level);
    this.#hashes.push(node);
    this.#end++;
  }

  /** Root of the tree that ends with this run; the run must begin at 0. */
  root(): Hash {
    if (this.begin !== 0) {
      throw new RangeError(`Expected a run from leaf 0, this one begins at ${this.begin}`);
    }
    return foldRight(this.nodes.map(({ hash }) => hash));
  }

  #nodeHash(left: string, right: string): string {
    this.#left.setFromHex(left);
    this.#right.setFromHex(right);
    return hash("sha256", this.#pair, "hex");
  }
}

/** The run of the first `size` leaves of a tree, to go on from there. */
export async function resumeRun(size: number, read: NodeReader): Promise<LeafRun> {
  const nodes = coveringNodes(0, size).map(async ({ level, index }) => ({
    ...{ level, index },
    hash: await read(level, index),
  }));
  return new LeafRun(0, await Promise.all(nodes));
}

/** Proof that the leaves `[begin, end)` stand in the tree with `size` leaves. */
export async function rangeProof(
  begin: number,
  end: number,
  size: number,
  read: NodeReader,
): Promise<Hash[]> {
  if (!(0 <= begin && begin < end && end <= size)) {
    throw new RangeError(`Expected leaves of a tree with ${size}, got ${begin} to ${end}`);
  }
  const parts: [number, number][] = [];
  const visit = (from: number, to: number): void => {
    if (to <= begin || from >= end) return void parts.push([from, to]);
    if (from >= begin && to <= end) return;
    const middle = from + splitPoint(to - from);
    visit(from, middle);
    visit(middle, to);
  };
  visit(0, size);
  return await Promise.all(parts.map(([from, to]) => rangeRoot(from, to, read)));
}

/**
 * The root that a run of leaves and its proof lead to, `undefined` when the proof has not exactly the hashes that it needs.
 * Compare it with the root of a checkpoint of `size` leaves.
 */
export function rootOfRange(run: LeafRun, size: number, proof: readonly Hash[]): Hash | undefined {
  const { begin, end, nodes } = run;
  if (!Number.isSafeInteger(size) || begin >= end || end > size) return undefined;
  if (proof.some((hash) => hash.length !== 32)) return undefined;
  const known = new Map(nodes.map(({ level, index, hash }) => [`${level}/${index}`, hash]));
  let used = 0;
  const visit = (from: number, to: number): Hash | undefined => {
    if (to <= begin || from >= end) return proof[used++];
    const level = Math.log2(to - from);
    const node = Number.isInteger(level) ? known.get(`${level}/${from / (to - from)}`) : undefined;
    if (node !== undefined) return node;
    if (to - from === 1) return undefined;
    const middle = from + splitPoint(to - from);
    const left = visit(from, middle);
    const right = visit(middle, to);
    return left === undefined || right === undefined ? undefined : nodeHash(left, right);
  };
  const root = visit(0, size);
  return used === proof.length ? root : undefined;
}
