import assert from "node:assert/strict";
import { Rechecks } from "./rechecks.ts";

function openIn(rechecks: Rechecks, mayStay: () => Promise<boolean>, rechecksBefore = rechecks.count) {
  const seen = { aborted: 0 };
  const one = {
    abort: () => {
      seen.aborted++;
      rechecks.delete(one);
    },
  };
  rechecks.add(one, mayStay, rechecksBefore);
  return seen;
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 5));

Deno.test("recheck() ends exactly what may not stay, and what cannot be asked about", async () => {
  const rechecks = new Rechecks();
  const stays = openIn(rechecks, () => Promise.resolve(true));
  const goes = openIn(rechecks, () => Promise.resolve(false));
  const fails = openIn(rechecks, () => Promise.reject(new Error("down")));
  await rechecks.recheck();
  assert.deepEqual([stays.aborted, goes.aborted, fails.aborted], [0, 1, 1]);
});

Deno.test("recheck() does not wait for one refusal's record before it asks about the next one", async () => {
  const rechecks = new Rechecks();
  let asked = 0;
  const recorded = Promise.withResolvers<void>();
  const seen = Array.from({ length: 100 }, () =>
    openIn(rechecks, async () => {
      asked++;
      await recorded.promise;
      return false;
    }));
  const checking = rechecks.recheck();
  await soon();
  assert.equal(asked, 100);
  recorded.resolve();
  await checking;
  assert.ok(seen.every(({ aborted }) => aborted === 1));
});

Deno.test("recheck() asks again for what changes while it asks", async () => {
  const rechecks = new Rechecks();
  let isGood = true;
  const first = Promise.withResolvers<void>();
  const seen = openIn(rechecks, async () => {
    const answer = isGood;
    await first.promise;
    return answer;
  });
  const checking = rechecks.recheck();
  isGood = false;
  void rechecks.recheck();
  first.resolve();
  await checking;
  await soon();
  assert.equal(seen.aborted, 1);
});

Deno.test("what opens after a recheck is asked about at once when its caller was admitted before", async () => {
  const rechecks = new Rechecks();
  const before = rechecks.count;
  await rechecks.recheck();
  let asked = 0;
  const mayStay = () => Promise.resolve(++asked < 0);
  const late = openIn(rechecks, mayStay, before);
  await soon();
  assert.deepEqual([late.aborted, asked], [1, 1]);
  const after = openIn(rechecks, mayStay);
  await soon();
  assert.deepEqual([after.aborted, asked], [0, 1]);
});
