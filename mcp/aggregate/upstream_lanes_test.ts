import assert from "node:assert/strict";
import { askInLanes, MAX_ASKED, MAX_SLOW } from "./upstream_lanes.ts";

const names = (count: number) => Array.from({ length: count }, (_, index) => index);
const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Asks upstreams that are numbers; gives those that have answered, those that were not asked, and most at once. */
async function ask(
  count: number,
  answer: (upstream: number, leftMs: number) => Promise<void>,
  { withinMs = 10_000, most = Infinity } = {},
) {
  const answered: number[] = [];
  let [underWay, atOnce] = [0, 0];
  const startedMs = performance.now();
  const unasked = await askInLanes(names(count), {
    ask: async (upstream, leftMs) => {
      atOnce = Math.max(atOnce, ++underWay);
      await answer(upstream, leftMs).finally(() => underWay--);
      return upstream;
    },
    takes: (_upstream, part) => answered.push(part) < most,
    withinMs,
  });
  return { answered, unasked, atOnce, tookMs: performance.now() - startedMs };
}

Deno.test("askInLanes() asks all, a few at once", async () => {
  const { answered, unasked, atOnce } = await ask(30, () => after(5));
  assert.deepEqual(answered.toSorted((a, b) => a - b), names(30));
  assert.deepEqual([unasked, atOnce], [[], MAX_ASKED]);
});

Deno.test("askInLanes() asks the others while some are silent, and waits for all of them together only once", async () => {
  const silent = 20;
  const { answered, unasked, tookMs } = await ask(
    30,
    (upstream, leftMs) => upstream < silent ? after(leftMs + 5) : after(5),
    { withinMs: 1_500 },
  );
  assert.deepEqual(answered.toSorted((a, b) => a - b), names(30).slice(silent));
  assert.deepEqual(unasked, []);
  assert.ok(tookMs < 2_900, `${tookMs}`);
  await after(50); // until the silent ones have ended
});

Deno.test("askInLanes() names those that it did not come to", async () => {
  const { answered, unasked, atOnce } = await ask(60, (_upstream, leftMs) => after(leftMs + 5), {
    withinMs: 1_000,
  });
  assert.deepEqual(answered, []);
  assert.ok(atOnce <= MAX_SLOW + MAX_ASKED, `${atOnce}`);
  assert.deepEqual(unasked, names(60).slice(atOnce));
  await after(50);
});

Deno.test("askInLanes() asks nobody any more when there is no room for what comes", async () => {
  const { answered, unasked } = await ask(30, () => after(5), { most: 3 });
  assert.ok(answered.length >= 3 && answered.length <= 3 + MAX_ASKED, `${answered.length}`);
  assert.equal(unasked.length, 30 - answered.length);
});
