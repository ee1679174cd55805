/**
 * A run of leaves against the root of the whole tree: what an export of some events needs. The proof holds, from left to
 * right, the roots of those RFC 6962 subtrees, as large as possible, that contain no leaf of the run.
 */
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
  readonly #nodes: HashedNode[];

  /** `nodes`: the subtrees of leaves that were already taken, from an earlier run that began at `begin`. */
  constructor(begin: number, nodes: readonly HashedNode[] = []) {
    this.begin = begin;
    this.#nodes = [...nodes];
    const last = nodes.at(-1);
    this.#end = last === undefined ? begin : (last.index + 1) * 2 ** last.level;
  }

  /** Number of the leaf that comes next. */
  get end(): number {
    return this.#end;
  }

  get nodes(): readonly HashedNode[] {
    return this.#nodes;
  }

  push(leaf: Hash): void {
    let node: HashedNode = { level: 0, index: this.#end, hash: leaf };
    for (let left = this.#nodes.at(-1); left !== undefined; left = this.#nodes.at(-1)) {
      if (left.level !== node.level || left.index % 2 !== 0) break;
      this.#nodes.pop();
      node = { level: node.level + 1, index: left.index / 2, hash: nodeHash(left.hash, node.hash) };
    }
    this.#nodes.push(node);
    this.#end++;
  }

  /** Root of the tree that ends with this run; the run must begin at 0. */
  root(): Hash {
    if (this.begin !== 0) {
      throw new RangeError(`Expected a run from leaf 0, this one begins at ${this.begin}`);
    }
    return foldRight(this.#nodes.map(({ hash }) => hash));
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
