import assert from "node:assert/strict";
import * as fc from "fast-check";
import {
  consistencyProof,
  coveringNodes,
  EMPTY_ROOT,
  equal,
  foldRight,
  type Hash,
  inclusionProof,
  leafHash,
  nodeHash,
  rangeRoot,
  rootOfInclusion,
  treeRoot,
  verifyConsistency,
} from "./merkle_tree.ts";

const hex = (bytes: Uint8Array) => bytes.toHex();

/** The definition of RFC 6962 §2.1, word for word. */
function naiveRoot(leaves: readonly Hash[]): Hash {
  if (leaves.length === 0) return EMPTY_ROOT;
  if (leaves.length === 1) return leaves[0]!;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

function leavesOf(size: number): Hash[] {
  return Array.from({ length: size }, (_, index) => leafHash(`event ${index}`));
}

function readerOf(leaves: readonly Hash[]) {
  return (level: number, index: number): Hash => {
    const slice = leaves.slice(index * 2 ** level, (index + 1) * 2 ** level);
    assert.equal(slice.length, 2 ** level, "asked for a node outside the tree");
    return naiveRoot(slice);
  };
}

Deno.test("leafHash(), nodeHash() and treeRoot() give the known values of Certificate Transparency", async () => {
  // Test vectors of github.com/google/certificate-transparency, merkle_tree_test.cc.
  const entries = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
  ];
  const leaves = entries.map((entry) => leafHash(Uint8Array.fromHex(entry)));
  const roots = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  ];
  for (const [index, root] of roots.entries()) {
    assert.equal(hex(await treeRoot(index + 1, readerOf(leaves.slice(0, index + 1)))), root);
  }
  assert.equal(hex(EMPTY_ROOT), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

Deno.test("treeRoot() is the definition's for every size up to 130", async () => {
  const leaves = leavesOf(130);
  for (let size = 0; size <= 130; size++) {
    const some = leaves.slice(0, size);
    assert.equal(hex(await treeRoot(size, readerOf(some))), hex(naiveRoot(some)));
  }
});

Deno.test("coveringNodes() covers a range exactly once, in order, with perfect subtrees", () => {
  fc.assert(fc.property(fc.nat(5_000), fc.nat(5_000), (a, b) => {
    const [begin, end] = [Math.min(a, b), Math.max(a, b)];
    let at = begin;
    for (const { level, index } of coveringNodes(begin, end)) {
      assert.equal(index * 2 ** level, at);
      at += 2 ** level;
    }
    assert.equal(at, end);
  }));
});

Deno.test("rangeRoot() of a frontier and a rest joins to the root", async () => {
  const leaves = leavesOf(100);
  const read = readerOf(leaves);
  const hashes = coveringNodes(0, 100).map(({ level, index }) => read(level, index));
  assert.equal(hex(foldRight(hashes)), hex(await treeRoot(100, read)));
  assert.equal(hex(await rangeRoot(64, 100, read)), hex(naiveRoot(leaves.slice(64))));
});

Deno.test("every inclusion proof leads to the root, and to no other from a changed leaf, index, size or hash", async () => {
  for (let size = 1; size <= 40; size++) {
    const leaves = leavesOf(size);
    const root = naiveRoot(leaves);
    for (let index = 0; index < size; index++) {
      const proof = await inclusionProof(index, size, readerOf(leaves));
      const reached = rootOfInclusion(leaves[index]!, index, size, proof);
      assert.ok(reached !== undefined && equal(reached, root));
      const lies = [
        rootOfInclusion(leafHash("forged"), index, size, proof),
        rootOfInclusion(leaves[index]!, index, size, [...proof, root]),
        rootOfInclusion(leaves[index]!, size, size, proof),
        ...(size > 1 ? [rootOfInclusion(leaves[index]!, (index + 1) % size, size, proof)] : []),
        ...(proof.length > 0 ? [rootOfInclusion(leaves[index]!, index, size, proof.slice(1))] : []),
        ...proof.map((_, at) =>
          rootOfInclusion(leaves[index]!, index, size, proof.with(at, leafHash("forged")))
        ),
      ];
      for (const lie of lies) assert.ok(lie === undefined || !equal(lie, root));
    }
  }
});

Deno.test("every consistency proof holds, and not for another size, root, order or hash", async () => {
  const leaves = leavesOf(40);
  const roots = Array.from({ length: 41 }, (_, size) => naiveRoot(leaves.slice(0, size)));
  for (let second = 0; second <= 40; second++) {
    const read = readerOf(leaves.slice(0, second));
    for (let first = 0; first <= second; first++) {
      const proof = await consistencyProof(first, second, read);
      const [old, now] = [{ size: first, root: roots[first]! }, { size: second, root: roots[second]! }];
      assert.ok(verifyConsistency(old, now, proof), `from ${first} to ${second}`);
      const forged = leafHash("forged");
      assert.ok(!verifyConsistency({ ...old, root: forged }, now, proof));
      if (first > 0) assert.ok(!verifyConsistency(old, { ...now, root: forged }, proof));
      assert.ok(!verifyConsistency(old, now, [...proof, forged]));
      if (first < second) assert.ok(!verifyConsistency(now, old, proof));
      for (const at of proof.keys()) assert.ok(!verifyConsistency(old, now, proof.with(at, forged)));
      if (proof.length > 0) assert.ok(!verifyConsistency(old, now, proof.slice(1)));
    }
  }
});

Deno.test("proofs hold in trees beyond 2^32 leaves", async () => {
  // Every subtree of one level is the same: the hashes of a tree whose leaves are all alike.
  const levels: Hash[] = [leafHash("same")];
  for (let level = 1; level <= 40; level++) levels.push(nodeHash(levels[level - 1]!, levels[level - 1]!));
  const read = (level: number) => levels[level]!;
  const [first, second] = [2 ** 33 + 12_345, 2 ** 35 + 777];
  const [old, now] = [await treeRoot(first, read), await treeRoot(second, read)];
  const proof = await consistencyProof(first, second, read);
  assert.ok(verifyConsistency({ size: first, root: old }, { size: second, root: now }, proof));
  const inclusion = await inclusionProof(2 ** 34 + 5, second, read);
  const reached = rootOfInclusion(levels[0]!, 2 ** 34 + 5, second, inclusion);
  assert.ok(reached !== undefined && equal(reached, now));
});

Deno.test("inclusionProof() and coveringNodes() refuse what is no leaf and no range", async () => {
  await assert.rejects(() => inclusionProof(3, 3, readerOf(leavesOf(3))), RangeError);
  await assert.rejects(() => inclusionProof(-1, 3, readerOf(leavesOf(3))), RangeError);
  assert.throws(() => coveringNodes(2, 1), RangeError);
  assert.throws(() => coveringNodes(0, 1.5), RangeError);
});
