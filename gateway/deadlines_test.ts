import assert from "node:assert/strict";
import { createDeadlines } from "./deadlines.ts";

const after = <T>(ms: number, value: T) => new Promise<T>((resolve) => setTimeout(() => resolve(value), ms));

Deno.test("race() settles as the work does when it is in time", async () => {
  const deadlines = createDeadlines({ nowMs: () => Date.now() });
  assert.equal(await deadlines.race(after(5, "done"), Date.now() + 1_000, () => new Error("late")), "done");
  await assert.rejects(
    deadlines.race(Promise.reject(new Error("work failed")), Date.now() + 1_000, () => new Error("late")),
    /work failed/,
  );
});

Deno.test("race() rejects each waiter at its own deadline, also when the work never ends", async () => {
  const deadlines = createDeadlines({ nowMs: () => Date.now(), tickMs: 2 });
  const never = new Promise<never>(() => {});
  const started = Date.now();
  const at = async (ms: number) => {
    await assert.rejects(deadlines.race(never, started + ms, () => new Error(`late ${ms}`)), {
      message: `late ${ms}`,
    });
    return Date.now() - started;
  };
  const [first, second] = await Promise.all([at(10), at(60)]);
  assert.ok(first! >= 10 && first! < 55, `${first}`);
  assert.ok(second! >= 60, `${second}`);
});

Deno.test("race() rejects at once after a deadline that has passed", async () => {
  const deadlines = createDeadlines({ nowMs: () => Date.now(), tickMs: 2 });
  await assert.rejects(deadlines.race(after(200, 1), Date.now() - 1, () => new Error("late")), /late/);
  await after(210, 0);
});

Deno.test("a thousand waiters share one timer and leave nothing behind", async () => {
  const deadlines = createDeadlines({ nowMs: () => Date.now() });
  const all = Array.from(
    { length: 1_000 },
    (_, n) => deadlines.race(Promise.resolve(n), Date.now() + 60_000, () => new Error("late")),
  );
  assert.equal((await Promise.all(all)).length, 1_000);
  await after(25, 0); // the leak sanitizer then finds no timer
});

Deno.test("race() keeps its deadline when the clock is set back or forward meanwhile", async () => {
  for (const stepMs of [-3_600_000, 3_600_000]) {
    const clock = { stepMs: 0 };
    const nowMs = () => Date.now() + clock.stepMs;
    const deadlines = createDeadlines({ nowMs, tickMs: 2 });
    const started = performance.now();
    const late = deadlines.race(new Promise(() => {}), nowMs() + 60, () => new Error("late"));
    clock.stepMs = stepMs;
    await assert.rejects(late, /late/);
    const tookMs = performance.now() - started;
    assert.ok(tookMs > 50 && tookMs < 2_000, `${stepMs}: ${tookMs} ms`);
  }
});
