import assert from "node:assert/strict";
import { settledWithin } from "./settled_within.ts";

Deno.test("settledWithin() says whether the work has ended in time, and leaves no timer behind", async () => {
  assert.equal(await settledWithin(60_000, Promise.resolve()), true);
  assert.equal(await settledWithin(1, new Promise(() => {})), false);
  await assert.rejects(settledWithin(60_000, Promise.reject(new RangeError("no"))), RangeError);
});
