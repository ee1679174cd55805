import assert from "node:assert/strict";
import { LOG_ID } from "./export/export_fixture.ts";
import { PRUNE_SEQ, PRUNED_TO, prunedTexts, REQUEST_SEQ } from "./export/pruned_fixture.ts";
import { planPrune, PrunePlanError } from "./prune_plan.ts";
import { type Image, imageOf, readerOf } from "./verify_fixture.ts";

const TEXTS = prunedTexts();
const FACTS = JSON.parse(TEXTS[PRUNE_SEQ - 1] ?? "").entity.data;
const PRUNED = { to: PRUNED_TO, requestSeq: REQUEST_SEQ, eventSeq: PRUNE_SEQ };

function plan(image: Image, from: number, to: number, signal = new AbortController().signal) {
  return planPrune(readerOf(image), { chain: "acme", logId: LOG_ID, from, to, signal });
}

Deno.test("planPrune() says what the prune event says, of a chain that verifies", async () => {
  const image = await imageOf(TEXTS, TEXTS.length);
  const { from, to, chain_hash, owed } = FACTS;
  assert.ok(owed.length > 0);
  assert.deepEqual(await plan(image, 1, PRUNED_TO), { from, to, chain_hash, owed });
});

Deno.test("planPrune() goes on where the last prune ended", async () => {
  const image = await imageOf(TEXTS, TEXTS.length);
  const whole = await plan(image, 1, 768);
  const pruned: Image = { ...image, rows: image.rows.slice(PRUNED_TO), pruned: PRUNED };
  assert.deepEqual(await plan(pruned, PRUNED_TO + 1, 768), { ...whole, from: PRUNED_TO + 1 });
  await assert.rejects(() => plan(pruned, 1, 768), PrunePlanError);
});

Deno.test("planPrune() refuses what does not verify: pruning it would destroy the evidence", async () => {
  const image = await imageOf(TEXTS, TEXTS.length);
  const changed = image.rows.with(40, { ...image.rows[40]!, canonical: "{}" });
  await assert.rejects(() => plan({ ...image, rows: changed }, 1, PRUNED_TO), /broken at event 41 \(hash\)/);
  await assert.rejects(
    () => plan({ ...image, rows: image.rows.toSpliced(40, 1) }, 1, PRUNED_TO),
    /broken at event 41 \(missing\)/,
  );
  const other = await imageOf(prunedTexts(501), TEXTS.length - 2);
  const swapped = { ...image, tiles: new Map([...image.tiles, ["0/1", other.tiles.get("0/0")!]]) };
  await assert.rejects(() => plan(swapped, 1, PRUNED_TO), /not those of the tree/);
  const tiles = new Map([...image.tiles].filter(([name]) => name !== "0/1"));
  await assert.rejects(() => plan({ ...image, tiles }, 1, PRUNED_TO), /Expected 2 hashes in tile 1\/0/);
  await assert.rejects(() => plan(image, 1, PRUNED_TO, AbortSignal.abort()), /in time/);
});
