import assert from "node:assert/strict";
import { watchEventLoopLag } from "./event_loop_lag.ts";

Deno.test("watchEventLoopLag() sees how long the thread was busy, and stops when closed", async () => {
  const seen: number[] = [];
  const nowMs = () => performance.now();
  const lag = watchEventLoopLag({ nowMs, observe: (seconds) => seen.push(seconds), intervalMs: 20 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  const untilMs = nowMs() + 120;
  while (nowMs() < untilMs);
  // On a busy machine timers come late, and these more than any.
  for (let tries = 0; tries < 100 && seen.length < 2; tries++) {
    await new Promise((done) => setTimeout(done, 20));
  }
  lag.close();
  const observed = seen.length;
  assert.ok(observed >= 2, `${observed} observations`);
  assert.ok(Math.max(...seen) > 0.08, `the busy time shows: ${seen}`);
  assert.ok(Math.min(...seen) >= 0);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(seen.length, observed);
});
