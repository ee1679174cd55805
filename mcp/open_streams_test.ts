import assert from "node:assert/strict";
import { OpenStreams } from "./open_streams.ts";

function streamOf(streams: OpenStreams, upstream: string, mayStay: () => Promise<boolean>) {
  const seen = { aborted: 0, announced: 0 };
  const stream = {
    abort: () => {
      seen.aborted++;
      streams.delete(stream);
    },
  };
  streams.add(stream, { upstream, mayStay, announceTools: () => void seen.announced++ });
  return seen;
}

Deno.test("recheck() ends exactly the streams that may not stay, and those that cannot be asked", async () => {
  const streams = new OpenStreams();
  const stays = streamOf(streams, "a", () => Promise.resolve(true));
  const goes = streamOf(streams, "a", () => Promise.resolve(false));
  const fails = streamOf(streams, "a", () => Promise.reject(new Error("down")));
  await streams.recheck();
  assert.deepEqual([stays.aborted, goes.aborted, fails.aborted], [0, 1, 1]);
  assert.equal(streams.size, 1);
  streams.closeAll();
  assert.equal(stays.aborted, 1);
});

Deno.test("recheck() asks again for what changes while it asks", async () => {
  const streams = new OpenStreams();
  let isGood = true;
  const first = Promise.withResolvers<void>();
  const seen = streamOf(streams, "a", async () => {
    const answer = isGood;
    await first.promise;
    return answer;
  });
  const checking = streams.recheck();
  isGood = false;
  void streams.recheck();
  first.resolve();
  await checking;
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(seen.aborted, 1);
});

Deno.test("announceTools() reaches the listeners of that upstream only", () => {
  const streams = new OpenStreams();
  const one = streamOf(streams, "a", () => Promise.resolve(true));
  const other = streamOf(streams, "b", () => Promise.resolve(true));
  streams.announceTools("a");
  assert.deepEqual([one.announced, other.announced], [1, 0]);
});
