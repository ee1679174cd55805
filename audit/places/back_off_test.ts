import assert from "node:assert/strict";
import { backOffMs } from "./back_off.ts";

Deno.test("backOffMs() doubles from two seconds to ten minutes and spreads by half", () => {
  const middle = Array.from({ length: 12 }, (_, at) => backOffMs(at + 1, () => 0.5) / 1000);
  assert.deepEqual(middle, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]);
  assert.deepEqual([backOffMs(1, () => 0), backOffMs(1, () => 1)], [1_000, 3_000]);
  assert.equal(backOffMs(5_000, () => 0.5), 600_000);
});
