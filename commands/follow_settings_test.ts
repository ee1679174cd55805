import assert from "node:assert/strict";
import { followSettings } from "./follow_settings.ts";

Deno.test("followSettings() reads again what could not be read when the settings changed", async () => {
  let change: () => void | Promise<void> = () => assert.fail("Nobody listens");
  let fails = 3;
  let read = 0;
  const errors: unknown[] = [];
  const done = Promise.withResolvers<void>();
  followSettings({ onChange: (listener) => change = listener }, {
    read: () => {
      if (fails-- > 0) return Promise.reject(new Error("The database is away"));
      read++;
      done.resolve();
      return Promise.resolve();
    },
    onError: (error) => errors.push(error),
    retryMs: 5,
  });
  await change();
  assert.equal(read, 0);
  const failsafe = setTimeout(() => done.reject(new Error("It was not read again")), 2_000);
  await done.promise;
  clearTimeout(failsafe);
  assert.deepEqual([read, errors.length], [1, 3]);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(read, 1, "what was read is not read again before the next change");
  await change();
  assert.equal(read, 2);
});
