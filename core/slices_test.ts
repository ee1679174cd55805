import assert from "node:assert/strict";
import { mapInSlices, SLICE_MS } from "./slices.ts";

Deno.test("mapInSlices() gives what map gives, and lets others work after every slice", async () => {
  let nowMs = 0;
  let pauses = 0;
  const pacing = {
    nowMs: () => nowMs,
    pause: () => {
      pauses++;
      return Promise.resolve();
    },
  };
  const items = Array.from({ length: 160 }, (_, index) => index);
  const doubled = await mapInSlices(items, (item) => {
    nowMs += SLICE_MS / 16;
    return item * 2;
  }, pacing);
  assert.deepEqual(doubled, items.map((item) => item * 2));
  assert.equal(pauses, 10);
});

Deno.test("mapInSlices() of little work never pauses", async () => {
  const pacing = { nowMs: () => 0, pause: () => Promise.reject(new Error("paused")) };
  assert.equal((await mapInSlices(Array.from({ length: 1_000 }), () => 1, pacing)).length, 1_000);
});
