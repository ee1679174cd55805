import assert from "node:assert/strict";
import { createHeadFeed } from "./head_feed.ts";

const signal = new AbortController().signal;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("beyond() asks once for all who wait, and not at all when nobody does", async () => {
  const asked: (readonly string[])[] = [];
  const heads = new Map([["a", 5], ["b", 1]]);
  const feed = createHeadFeed({
    read: (chains) => {
      asked.push(chains);
      return Promise.resolve(heads);
    },
    ...{ onError: () => {}, intervalMs: 5 },
  });
  const waits = [
    feed.beyond("a", 4, 1_000, signal),
    feed.beyond("a", 5, 1_000, signal),
    feed.beyond("b", 1, 1_000, signal),
  ];
  assert.equal(await waits[0], 5);
  assert.deepEqual(asked, [["a", "b"]]);
  heads.set("a", 6).set("b", 3);
  assert.deepEqual(await Promise.all(waits), [5, 6, 3]);
  const questions = asked.length;
  await pause(30);
  assert.equal(asked.length, questions);
});

Deno.test("beyond() gives up after its time or with its signal, and a failure changes nothing", async () => {
  const errors: unknown[] = [];
  let fails = true;
  const feed = createHeadFeed({
    read: () => fails ? Promise.reject(new Error("away")) : Promise.resolve(new Map([["a", 9]])),
    ...{ onError: (error) => void errors.push(error), intervalMs: 2 },
  });
  assert.equal(await feed.beyond("a", 1, 15, signal), undefined);
  const aborter = new AbortController();
  const aborted = feed.beyond("a", 1, 1_000, aborter.signal);
  aborter.abort();
  assert.equal(await aborted, undefined);
  assert.equal(await feed.beyond("a", 1, 1_000, aborter.signal), undefined);
  const waiting = feed.beyond("a", 1, 1_000, signal);
  await pause(10);
  fails = false;
  assert.equal(await waiting, 9);
  assert.ok(errors.length > 0);
});

Deno.test("beyond() tells nobody who came while the answer was on its way", async () => {
  const answers: PromiseWithResolvers<ReadonlyMap<string, number>>[] = [];
  const feed = createHeadFeed({
    read: () => {
      answers.push(Promise.withResolvers());
      return answers.at(-1)!.promise;
    },
    ...{ onError: () => {}, intervalMs: 1 },
  });
  const first = feed.beyond("a", 4, 1_000, signal);
  while (answers.length === 0) await pause(1);
  const late = [feed.beyond("a", 6, 1_000, signal), feed.beyond("b", 9, 1_000, signal)];
  answers[0]?.resolve(new Map([["a", 5]]));
  assert.equal(await first, 5);
  while (answers.length === 1) await pause(1);
  answers[1]?.resolve(new Map([["a", 7], ["b", 10]]));
  assert.deepEqual(await Promise.all(late), [7, 10]);
});
