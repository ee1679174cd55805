import assert from "node:assert/strict";
import { createIndexer, type IndexerStore } from "./indexer.ts";
import { SEGMENT_EVENTS, type SegmentIndex, termHash } from "./segment.ts";

/** Chains of so many events, and what was added of them. */
function memory(heads: Readonly<Record<string, number>>) {
  const added: { readonly chain: string; readonly segment: number; readonly index: SegmentIndex }[] = [];
  const state = { leads: 0, pages: 0 };
  const segmentsOf = (chain: string) => added.filter((one) => one.chain === chain).length;
  const store: IndexerStore = {
    progress: () =>
      Promise.resolve(
        Object.entries(heads).map(([chain, headSeq]) => ({ chain, headSeq, segments: segmentsOf(chain) })),
      ),
    lead: () => Promise.resolve(state.leads-- > 0),
    oldest: (chain, { after, upTo }, needles, limit) => {
      state.pages++;
      assert.ok(upTo - after <= limit && needles.length === 0);
      return Promise.resolve(Array.from({ length: upTo - after }, (_, at) => ({
        ...{ seq: after + at + 1, hash: "" },
        canonical: JSON.stringify({ time: 1, actor: { app_uid: `${chain} ${(after + at) % 4}` } }),
      })));
    },
    add: (chain, segment, index) => {
      assert.equal(segment, segmentsOf(chain));
      added.push({ chain, segment, index });
      return Promise.resolve(true);
    },
    forget: () => Promise.resolve(),
  };
  return { store, state, added };
}

const options = { onError: (error: unknown) => assert.fail(String(error)), steadyMs: () => 0 };

Deno.test("indexAll() adds every full segment of every chain, and none that is not full", async () => {
  const { store, state, added } = memory({
    a: 2 * SEGMENT_EVENTS + 1,
    b: SEGMENT_EVENTS - 1,
    c: SEGMENT_EVENTS,
  });
  state.leads = Infinity;
  const indexer = createIndexer({ ...options, store });
  await indexer.indexAll();
  assert.deepEqual(added.map(({ chain, segment }) => `${chain}${segment}`), ["a0", "a1", "c0"]);
  assert.equal(indexer.behind(), 0);
  const hits = added[1]?.index.hits.get(termHash("agent", "a 3")) ?? assert.fail();
  assert.deepEqual([hits.length, hits[0]], [512, 0b1000_1000]);
});

Deno.test("indexAll() stops when another replica leads, and says how far behind it is", async () => {
  const { store, state, added } = memory({ a: 3 * SEGMENT_EVENTS });
  state.leads = 1;
  const indexer = createIndexer({ ...options, store });
  await indexer.indexAll();
  assert.deepEqual([added.length, indexer.behind()], [1, 2 * SEGMENT_EVENTS]);
});

Deno.test("close() ends in the middle of a segment, which is then not added", async () => {
  const { store, state, added } = memory({ a: SEGMENT_EVENTS });
  state.leads = Infinity;
  let clock = 0;
  const indexer = createIndexer({ ...options, store, steadyMs: () => clock += 5, intervalMs: 1 });
  indexer.start();
  while (state.pages < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  await indexer.close();
  assert.deepEqual([added.length, state.pages < 10], [0, true]);
});

Deno.test("a round that fails is reported, and the next one goes on", async () => {
  const { store, state, added } = memory({ a: SEGMENT_EVENTS });
  state.leads = Infinity;
  const errors: unknown[] = [];
  let fails = true;
  const indexer = createIndexer({
    ...{ ...options, intervalMs: 1, onError: (error) => void errors.push(error) },
    store: { ...store, progress: () => fails ? Promise.reject(new Error("away")) : store.progress() },
  });
  indexer.start();
  while (errors.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  fails = false;
  while (added.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await indexer.close();
});

Deno.test("an event that cannot be read keeps the index of no other chain back", async () => {
  const { store, state, added } = memory({ a: SEGMENT_EVENTS, b: SEGMENT_EVENTS });
  state.leads = Infinity;
  const errors: unknown[] = [];
  const oldest: IndexerStore["oldest"] = async (chain, ...range) => {
    const rows = await store.oldest(chain, ...range);
    return chain === "a" ? rows.map((row) => ({ ...row, canonical: "{" })) : rows;
  };
  const onError = (error: unknown) => void errors.push(error);
  const indexer = createIndexer({ ...options, onError, store: { ...store, oldest } });
  await indexer.indexAll();
  assert.deepEqual(added.map(({ chain }) => chain), ["b"]);
  assert.equal(errors.length, 1);
});
