/**
 * The Merkle tree of RFC 6962 §2.1 over a chain's events: leaf `n` is event `n + 1` of the chain. A node at level `l`
 * with index `i` is the root of the perfect subtree over the leaves `[i·2^l, (i+1)·2^l)`.
 */
import { createHash } from "node:crypto";

/** SHA-256 values, 32 bytes. */
export type Hash = Uint8Array;

/** Gives the hash of one perfect subtree that lies wholly inside the tree. */
export type NodeReader = (level: number, index: number) => Hash | Promise<Hash>;

/** One perfect subtree. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** Root of a tree without leaves: SHA-256 of nothing. */
export const EMPTY_ROOT: Hash = createHash("sha256").digest();

/** SHA-256(0x00 ‖ entry). */
export function leafHash(entry: Uint8Array | string): Hash {
  const hash = createHash("sha256").update(LEAF);
  return (typeof entry === "string" ? hash.update(entry, "utf8") : hash.update(entry)).digest();
}

/** SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Hash, right: Hash): Hash {
  return createHash("sha256").update(NODE).update(left).update(right).digest();
}

/** The perfect subtrees, as large as possible and in order, that together cover the leaves `[begin, end)`. */
export function coveringNodes(begin: number, end: number): TreeNode[] {
  requireRange(begin, end);
  const nodes: TreeNode[] = [];
  for (let from = begin; from < end;) {
    let level = 0;
    while (from % 2 ** (level + 1) === 0 && from + 2 ** (level + 1) <= end) level++;
    nodes.push({ level, index: from / 2 ** level });
    from += 2 ** level;
  }
  return nodes;
}

/**
 * Root of the leaves `[begin, end)`, as RFC 6962 hashes them: `begin` is 0, or a node of the tree begins there whose
 * leaves end at `end`.
 */
export async function rangeRoot(begin: number, end: number, read: NodeReader): Promise<Hash> {
  if (begin === end) return EMPTY_ROOT;
  const hashes = await Promise.all(coveringNodes(begin, end).map(({ level, index }) => read(level, index)));
  return foldRight(hashes);
}

/** Root of the tree with `size` leaves. */
export function treeRoot(size: number, read: NodeReader): Promise<Hash> {
  return rangeRoot(0, size, read);
}

/** One hash of several neighbouring subtrees, whose sizes fall from left to right. */
export function foldRight(hashes: readonly Hash[]): Hash {
  let root = hashes.at(-1);
  if (root === undefined) return EMPTY_ROOT;
  for (let at = hashes.length - 2; at >= 0; at--) root = nodeHash(hashes[at]!, root);
  return root;
}

/** Where RFC 6962 splits a tree: the largest power of two below its size, for `size` > 1. */
export function splitPoint(size: number): number {
  let half = 1;
  while (half * 2 < size) half *= 2;
  return half;
}

/** Inclusion proof (RFC 6962 §2.1.1) of the leaf `index` in the tree with `size` leaves, lowest hash first. */
export async function inclusionProof(index: number, size: number, read: NodeReader): Promise<Hash[]> {
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw new RangeError(`Expected a leaf below ${size}, got ${index}`);
  }
  const path: [number, number][] = [];
  for (let begin = 0, end = size; end - begin > 1;) {
    const middle = begin + splitPoint(end - begin);
    path.push(index < middle ? [middle, end] : [begin, middle]);
    if (index < middle) end = middle;
    else begin = middle;
  }
  return await Promise.all(path.reverse().map(([begin, end]) => rangeRoot(begin, end, read)));
}

/** Consistency proof (RFC 6962 §2.1.2) from the tree with `first` leaves to the one with `second`; none from 0 leaves. */
export async function consistencyProof(first: number, second: number, read: NodeReader): Promise<Hash[]> {
  requireRange(first, second);
  if (first === 0 || first === second) return [];
  const path: [number, number][] = [];
  let isWhole = true;
  let [begin, end] = [0, second];
  while (end !== first) {
    const middle = begin + splitPoint(end - begin);
    if (first <= middle) {
      path.push([middle, end]);
      end = middle;
    } else {
      path.push([begin, middle]);
      begin = middle;
      isWhole = false;
    }
  }
  if (!isWhole) path.push([begin, end]);
  return await Promise.all(path.reverse().map(([from, to]) => rangeRoot(from, to, read)));
}

/**
 * The root that an inclusion proof leads to (RFC 9162 §2.1.3.2), `undefined` when the proof cannot be one of this leaf in
 * a tree of this size. Compare it with the root of a checkpoint.
 */
export function rootOfInclusion(
  leaf: Hash,
  index: number,
  size: number,
  proof: readonly Hash[],
): Hash | undefined {
  if (!areSizes(index, size) || index >= size || !areHashes([leaf, ...proof])) return undefined;
  let [fn, sn, root] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (sn === 0) return undefined;
    if (fn % 2 === 1 || fn === sn) {
      root = nodeHash(sibling, root);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      root = nodeHash(root, sibling);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 ? root : undefined;
}

/** Whether the tree with `second` leaves begins with the one with `first` leaves (RFC 9162 §2.1.4.2). */
export function verifyConsistency(
  first: { readonly size: number; readonly root: Hash },
  second: { readonly size: number; readonly root: Hash },
  proof: readonly Hash[],
): boolean {
  if (!areSizes(first.size, second.size) || first.size > second.size) return false;
  if (!areHashes([first.root, second.root, ...proof])) return false;
  if (first.size === 0) return proof.length === 0 && equal(first.root, EMPTY_ROOT);
  if (first.size === second.size) return proof.length === 0 && equal(first.root, second.root);
  const isPowerOfTwo = Number.isInteger(Math.log2(first.size));
  const path = isPowerOfTwo ? [first.root, ...proof] : proof;
  const roots = rootsOfConsistency(first.size, second.size, path);
  return roots !== undefined && equal(roots[0], first.root) && equal(roots[1], second.root);
}

function rootsOfConsistency(first: number, second: number, path: readonly Hash[]): [Hash, Hash] | undefined {
  const start = path[0];
  if (start === undefined) return undefined;
  let [fn, sn] = [first - 1, second - 1];
  while (fn % 2 === 1) [fn, sn] = [half(fn), half(sn)];
  let [fr, sr] = [start, start];
  for (const hash of path.slice(1)) {
    if (sn === 0) return undefined;
    if (fn % 2 === 1 || fn === sn) {
      [fr, sr] = [nodeHash(hash, fr), nodeHash(hash, sr)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      sr = nodeHash(sr, hash);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 ? [fr, sr] : undefined;
}

/** Whether two public hashes are the same. */
export function equal(a: Hash, b: Hash): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** Sizes may pass 2^31, where bit operators end. */
function half(value: number): number {
  return Math.floor(value / 2);
}

function areSizes(...sizes: readonly number[]): boolean {
  return sizes.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function areHashes(hashes: readonly Hash[]): boolean {
  return hashes.every((hash) => hash.length === 32);
}

function requireRange(begin: number, end: number): void {
  if (areSizes(begin, end) && begin <= end) return;
  throw new RangeError(`Expected a range of leaves, got ${begin} to ${end}`);
}
