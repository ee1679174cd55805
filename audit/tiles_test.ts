import assert from "node:assert/strict";
import * as fc from "fast-check";
import { LeafRun } from "./merkle_range.ts";
import {
  consistencyProof,
  equal,
  inclusionProof,
  leafHash,
  rootOfInclusion,
  treeRoot,
  verifyConsistency,
} from "./merkle_tree.ts";
import {
  entryBundle,
  type FullTile,
  parseTilePath,
  readTile,
  TileBuilder,
  TileError,
  tileNodes,
  tilePath,
  tileWidth,
  type TreeStore,
} from "./tiles.ts";

/** A log in memory, collected in pieces as the signer does it. */
async function logOf(pieces: readonly number[]) {
  const tiles = new Map<string, FullTile>();
  const entries: string[] = [];
  const store: TreeStore = {
    fullTile: (_, level, index) => Promise.resolve(tiles.get(`${level}/${index}`)?.hashes),
    tileRoots: (_, level, from, to) =>
      Promise.resolve(
        Array.from({ length: to - from }, (_, at) => tiles.get(`${level}/${from + at}`)!.root),
      ),
    entries: (_, from, to) => Promise.resolve(entries.slice(from, to)),
  };
  const run = new LeafRun(0);
  for (const piece of pieces) {
    const builder = await TileBuilder.resume(store, "acme", entries.length);
    for (let at = 0; at < piece; at++) {
      const entry = `event ${entries.length}`;
      entries.push(entry);
      run.push(leafHash(entry));
      for (const tile of builder.push(leafHash(entry))) tiles.set(`${tile.level}/${tile.index}`, tile);
    }
  }
  return { store, entries, tiles, run };
}

Deno.test("tiles give the root of the tree whatever the pieces it was collected in", async () => {
  const sizes = fc.array(fc.nat(700), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(sizes, async (pieces) => {
      const { store, entries, run } = await logOf(pieces);
      const root = await treeRoot(entries.length, tileNodes(store, "acme", entries.length));
      assert.ok(equal(root, run.root()));
    }),
    { numRuns: 40 },
  );
});

Deno.test("proofs come from tiles, also over two tile levels and for an earlier size", async () => {
  const { store, entries, tiles } = await logOf([65_000, 1_000]);
  assert.ok(tiles.has("1/0"));
  const [size, earlier] = [entries.length, 65_535];
  const read = tileNodes(store, "acme", size);
  const root = await treeRoot(size, read);
  for (const index of [0, 255, 256, 65_535, 65_536, size - 1]) {
    const proof = await inclusionProof(index, size, read);
    const reached = rootOfInclusion(leafHash(entries[index]!), index, size, proof);
    assert.ok(reached !== undefined && equal(reached, root));
  }
  const old = { size: earlier, root: await treeRoot(earlier, tileNodes(store, "acme", earlier)) };
  assert.ok(verifyConsistency(old, { size, root }, await consistencyProof(earlier, size, read)));
});

Deno.test("readTile() gives full and partial tiles and refuses one whose parts are missing", async () => {
  const { store } = await logOf([600]);
  assert.equal((await readTile(store, "acme", { level: 0, index: 1, width: 256 })).length, 8192);
  const partial = await readTile(store, "acme", { level: 0, index: 2, width: 88 });
  assert.ok(equal(partial.subarray(0, 32), leafHash("event 512")));
  assert.equal((await readTile(store, "acme", { level: 1, index: 0, width: 2 })).length, 64);
  await assert.rejects(() => readTile(store, "acme", { level: 0, index: 2, width: 89 }), TileError);
});

Deno.test("tileWidth() says how much of a tile a tree fills", () => {
  assert.equal(tileWidth(0, 0, 0), 0);
  assert.equal(tileWidth(0, 0, 255), 255);
  assert.equal(tileWidth(0, 0, 70_000), 256);
  assert.equal(tileWidth(0, 273, 70_000), 112);
  assert.equal(tileWidth(1, 1, 70_000), 17);
  assert.equal(tileWidth(2, 0, 70_000), 1);
  assert.equal(tileWidth(3, 0, 70_000), 0);
});

Deno.test("tilePath() and parseTilePath() spell indexes as the specification does, in one way only", () => {
  assert.equal(tilePath(0), "000");
  assert.equal(tilePath(1_234_067), "x001/x234/067");
  assert.deepEqual(parseTilePath("x001/x234/067"), { index: 1_234_067, width: 256 });
  assert.deepEqual(parseTilePath("273.p/112"), { index: 273, width: 112 });
  for (
    const path of [
      "",
      "7",
      "x000/007",
      "1000",
      "001.p/0",
      "001.p/256",
      "001.p/08",
      "x1/234",
      "../001",
      "001/",
    ]
  ) {
    assert.equal(parseTilePath(path), undefined, path);
  }
  fc.assert(fc.property(fc.nat(2 ** 40), (index) => {
    assert.deepEqual(parseTilePath(tilePath(index)), { index, width: 256 });
  }));
});

Deno.test("entryBundle() writes each entry after its length", () => {
  assert.deepEqual([...entryBundle(["ab", "\u00e9"])], [0, 2, 97, 98, 0, 2, 0xc3, 0xa9]);
  assert.throws(() => entryBundle(["x".repeat(65_536)]), RangeError);
});
