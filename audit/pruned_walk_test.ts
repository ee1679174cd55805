import assert from "node:assert/strict";
import { LOG_ID } from "./export/export_fixture.ts";
import { PRUNE_SEQ, type PruneCheat, PRUNED_TO, prunedTexts, REQUEST_SEQ } from "./export/pruned_fixture.ts";
import { genesisHash, hex } from "./digest.ts";
import { readerOf, verify } from "./verify_fixture.ts";
import { formatVerifierKey, parseVerifierKey } from "./signed_note.ts";
import { checkpointOf, type Image, imageOf, KEY, ORIGIN } from "./verify_fixture.ts";
import { type ChainReader, verifyChain } from "./verify.ts";
import type { FullTile } from "./tiles.ts";

const TEXTS = prunedTexts();
const PRUNED = { to: PRUNED_TO, requestSeq: REQUEST_SEQ, eventSeq: PRUNE_SEQ };
const HONEST = imageOf(TEXTS, TEXTS.length);

/** The database after the bodies have gone. */
async function prunedImage(texts = TEXTS, pruned = PRUNED): Promise<Image> {
  const image = texts === TEXTS ? await HONEST : await imageOf(texts, texts.length);
  return { ...image, rows: image.rows.slice(pruned.to), pruned };
}

/** The database before and, from so many reads of events on, after. */
function prunedMeanwhile(before: Image, after: Image, reads: number): ChainReader {
  let left = reads;
  const now = () => readerOf(left > 0 ? before : after);
  return {
    ...readerOf(after),
    read: (chain, afterSeq, limit) => {
      const reader = now();
      left--;
      return reader.read(chain, afterSeq, limit);
    },
    pruned: (chain) => now().pruned(chain),
    strandedSalt: (chain, to) => now().strandedSalt(chain, to),
  };
}

Deno.test("verifyChain() verifies a chain whose beginning two operators have pruned, and says how far", async () => {
  const image = await prunedImage();
  const pruned = { first: 1, last: PRUNED_TO, seq: PRUNE_SEQ };
  for (const size of [1, 256, 300, 512, 513, 700, TEXTS.length]) {
    const report = await verify(image, { expected: checkpointOf(TEXTS, size).note });
    assert.equal(report.verdict, "verified", JSON.stringify(report));
    assert.deepEqual(report.pruned, pruned);
    assert.deepEqual([report.first, report.events], [PRUNED_TO + 1, TEXTS.length - PRUNED_TO]);
  }
});

Deno.test("verifyChain() recomputes the roots among pruned events: what a tile's row says is its root counts for nothing", async () => {
  const other = prunedTexts(500, {}, 7);
  const expected = checkpointOf(other, 256).note;
  const [image, foreign] = [await prunedImage(), await imageOf(other, other.length)];
  const { root } = foreign.tiles.get("0/0")!;
  const tiles = new Map([...image.tiles, ["0/0", { ...image.tiles.get("0/0")!, root }]]);
  for (const size of [0, 700]) {
    const since = checkpointOf(TEXTS, size).note;
    const { verdict, broken } = await verify({ ...image, tiles }, { expected, since });
    assert.deepEqual([verdict, broken?.what], ["broken", "checkpoint"]);
  }
});

Deno.test("verifyChain() accuses none of 60 random honest histories that were pruned", async () => {
  for (let seed = 2; seed <= 61; seed++) {
    const texts = prunedTexts(460 + seed, {}, seed);
    const image = await prunedImage(texts.slice(0, texts.length - seed % 3));
    const since = seed % 2 === 0 ? { since: checkpointOf(texts, seed * 11).note } : {};
    const report = await verify(image, { expected: checkpointOf(texts, 700 - seed).note, ...since });
    assert.equal(report.verdict, "verified", `seed ${seed}: ${JSON.stringify(report)}`);
    assert.equal(report.open, image.open.size);
  }
});

Deno.test("verifyChain() goes on after a checkpoint from before, at or after the border of a prune", async () => {
  const image = await prunedImage();
  for (const size of [1, 300, 512, 513, 600, PRUNE_SEQ + 1]) {
    const since = checkpointOf(TEXTS, size).note;
    const report = await verify(image, { since, expected: checkpointOf(TEXTS, 100).note });
    assert.equal(report.verdict, "verified", `${size}: ${JSON.stringify(report)}`);
    assert.equal(report.first, Math.max(size, PRUNED_TO) + 1);
  }
});

Deno.test("verifyChain() verifies while bodies are still going, from whichever end", async () => {
  const { rows, ...image } = await HONEST;
  for (const left of [rows, rows.slice(100), [...rows.slice(0, 100), ...rows.slice(PRUNED_TO)]]) {
    const report = await verify({ ...image, rows: left, pruned: PRUNED, salts: [101, 700] });
    assert.equal(
      report.verdict,
      left.some(({ seq }) => seq === 101) ? "verified" : "broken",
      JSON.stringify(report),
    );
  }
});

Deno.test("verifyChain() accuses nobody when the bodies go while it walks, unless more go than two wanted", async () => {
  const honest = await HONEST;
  const pruned = await prunedImage();
  const more = { ...pruned, rows: pruned.rows.slice(1) };
  for (const [after, verdict] of [[pruned, "verified"], [more, "broken"]] as const) {
    for (const reads of [0, 1, 2, 4]) {
      const report = await verifyChain(prunedMeanwhile(honest, after, reads), {
        ...{ chain: "acme", logId: LOG_ID, origin: ORIGIN, nowMs: () => 0 },
        ...{
          keys: [parseVerifierKey(formatVerifierKey(ORIGIN, KEY))],
          pace: { pageEvents: 100, pauseMs: 0 },
        },
      });
      assert.equal(report.verdict, verdict, `after ${reads} reads: ${JSON.stringify(report)}`);
    }
  }
});

Deno.test("verifyChain() is unproven when its time ends among pruned events", async () => {
  const report = await verify(await prunedImage(), { signal: AbortSignal.abort() });
  assert.deepEqual([report.verdict, report.reason], ["unproven", "the time limit was reached"]);
});

Deno.test("verifyChain() looks at a prune also when it goes on after a later checkpoint", async () => {
  const { rows, ...image } = await prunedImage();
  const since = checkpointOf(TEXTS, 800).note;
  const report = await verifyChain(
    readerOf({ ...image, rows: rows.filter(({ seq }) => seq !== PRUNE_SEQ) }),
    {
      ...{ chain: "acme", logId: LOG_ID, origin: "gateway.example/acme", nowMs: () => 0, since },
      keys: [],
    },
  );
  assert.equal(report.verdict, "broken");
});

/** A prune that was recorded other than two operators wanted it, and signed. */
const recorded = (cheat: PruneCheat, to = PRUNED_TO) => async (): Promise<Image> =>
  await prunedImage(prunedTexts(500, cheat), { ...PRUNED, to });

function withTile(image: Image, change: (tile: FullTile) => FullTile | undefined): Image {
  const tiles = new Map(image.tiles);
  const changed = change(tiles.get("0/1")!);
  if (changed === undefined) tiles.delete("0/1");
  else tiles.set("0/1", changed);
  return { ...image, tiles };
}

const CHEATS: Readonly<Record<string, (image: Image) => Image | Promise<Image>>> = {
  "bodies gone, no prune": ({ pruned: _, ...image }) => image,
  "one more body gone": (image) => ({ ...image, rows: image.rows.slice(1) }),
  "a tile more gone": (image) => ({ ...image, rows: image.rows.slice(256) }),
  "the database says more than the prune": (image) => ({
    ...image,
    rows: image.rows.slice(256),
    pruned: { ...PRUNED, to: 768 },
  }),
  "the database says less than the prune": (image) => ({ ...image, pruned: { ...PRUNED, to: 256 } }),
  "a larger range than two people confirmed": recorded({ done: { to: 768 } }, 768),
  "the prune of one person": recorded({ confirmer: "alice" }),
  "a prune that nobody asked for": recorded({ done: { request: "another" } }),
  "another event in the place of the prune": (image) => ({ ...image, pruned: { ...PRUNED, eventSeq: 720 } }),
  "another event in the place of the request": (image) => ({
    ...image,
    pruned: { ...PRUNED, requestSeq: 720 },
  }),
  "a prune that is not there": (image) => ({ ...image, pruned: { ...PRUNED, eventSeq: 100_000 } }),
  "a prune from another tree": recorded({ done: { root: "0".repeat(64) } }),
  "the border hash changed in the prune, signed": recorded({ done: { chain_hash: "0".repeat(64) } }),
  "the border hash changed in the database": (image) => ({
    ...image,
    rows: image.rows.map((row) =>
      row.seq === PRUNE_SEQ
        ? { ...row, canonical: row.canonical.replace(/"chain_hash":"..../, '"chain_hash":"0000') }
        : row
    ),
  }),
  "an allow that owes its outcome left out": recorded({ done: { owed: [] } }),
  "a body put back changed": (image) => ({
    ...image,
    rows: [{ seq: 7, canonical: "{}", hash: hex(genesisHash("a", "b")) }, ...image.rows],
  }),
  "all bodies put back, one changed": async (image) => ({
    ...image,
    rows: (await HONEST).rows.map((row) => row.seq === 300 ? { ...row, canonical: TEXTS[1]! } : row),
  }),
  "two bodies put back in each other's place": async (image) => {
    const { rows } = await HONEST;
    return { ...image, rows: [{ ...rows[1]!, seq: 1 }, { ...rows[0]!, seq: 2 }, ...image.rows] };
  },
  "a salt put back": (image) => ({ ...image, salts: [7] }),
  "a leaf hash of a pruned event changed": (image) =>
    withTile(image, (tile) => {
      const hashes = tile.hashes.slice();
      hashes[40]! ^= 1;
      return { ...tile, hashes };
    }),
  "the hashes of pruned events deleted": (image) => withTile(image, () => undefined),
  "everything gone, pruned or not": (image) => ({ ...image, rows: [] }),
};

Deno.test("verifyChain() finds every way of cheating with a prune", async () => {
  const honest = await prunedImage();
  for (const [name, cheat] of Object.entries(CHEATS)) {
    const report = await verify(await cheat(honest));
    assert.equal(report.verdict, "broken", `${name}: ${JSON.stringify(report)}`);
    assert.ok(report.broken !== undefined && report.broken.expected !== "", name);
  }
});
