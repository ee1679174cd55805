import assert from "node:assert/strict";
import * as fc from "fast-check";
import { LeafRun, rangeProof, rootOfRange } from "./merkle_range.ts";
import { EMPTY_ROOT, equal, type Hash, leafHash, type NodeReader, treeRoot } from "./merkle_tree.ts";

const LEAVES: readonly Hash[] = Array.from({ length: 300 }, (_, index) => leafHash(`event ${index}`));

const read: NodeReader = (level, index) => {
  const run = new LeafRun(index * 2 ** level);
  for (const leaf of LEAVES.slice(index * 2 ** level, (index + 1) * 2 ** level)) run.push(leaf);
  assert.equal(run.nodes.length, 1);
  return run.nodes[0]!.hash;
};

function runOf(begin: number, end: number): LeafRun {
  const run = new LeafRun(begin);
  for (const leaf of LEAVES.slice(begin, end)) run.push(leaf);
  return run;
}

const ranges = fc.tuple(fc.nat(300), fc.nat(300), fc.nat(300))
  .map((numbers) => numbers.toSorted((a, b) => a - b))
  .filter(([begin, end]) => begin! < end!) as fc.Arbitrary<[number, number, number]>;

Deno.test("LeafRun.root() is the root of the tree for every size", async () => {
  assert.ok(equal(new LeafRun(0).root(), EMPTY_ROOT));
  for (let size = 1; size <= 300; size += 7) {
    assert.ok(equal(runOf(0, size).root(), await treeRoot(size, read)));
  }
  assert.throws(() => runOf(1, 2).root(), RangeError);
});

Deno.test("LeafRun goes on from the nodes of an earlier run, and keeps few of them", () => {
  const first = runOf(0, 173);
  const second = new LeafRun(0, first.nodes);
  assert.equal(second.end, 173);
  for (const leaf of LEAVES.slice(173)) second.push(leaf);
  assert.ok(equal(second.root(), runOf(0, 300).root()));
  assert.ok(second.nodes.length <= 9);
});

Deno.test("rangeProof() proves every run of leaves", async () => {
  await fc.assert(fc.asyncProperty(ranges, async ([begin, end, size]) => {
    const proof = await rangeProof(begin, end, size, read);
    const root = rootOfRange(runOf(begin, end), size, proof);
    assert.ok(root !== undefined && equal(root, await treeRoot(size, read)));
  }));
});

Deno.test("rootOfRange() leads elsewhere from a changed, moved, missing or additional leaf or hash", async () => {
  const forged = leafHash("forged");
  await fc.assert(
    fc.asyncProperty(ranges, fc.nat(), async ([begin, end, size], at) => {
      const proof = await rangeProof(begin, end, size, read);
      const root = await treeRoot(size, read);
      const changed = new LeafRun(begin);
      for (const [index, leaf] of LEAVES.slice(begin, end).entries()) {
        changed.push(index === at % (end - begin) ? forged : leaf);
      }
      const lies = [
        rootOfRange(changed, size, proof),
        rootOfRange(runOf(begin, end), size, [...proof, forged]),
        rootOfRange(runOf(begin, end - 1), size, proof),
        ...(proof.length === 0 ? [] : [
          rootOfRange(runOf(begin, end), size, proof.slice(1)),
          rootOfRange(runOf(begin, end), size, proof.with(at % proof.length, forged)),
        ]),
      ];
      for (const lie of lies) assert.ok(lie === undefined || !equal(lie, root));
    }),
    { numRuns: 60 },
  );
});

Deno.test("rangeProof() refuses a range outside the tree", async () => {
  await assert.rejects(() => rangeProof(2, 2, 5, read), RangeError);
  await assert.rejects(() => rangeProof(2, 6, 5, read), RangeError);
});
