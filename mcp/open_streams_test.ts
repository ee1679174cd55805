import assert from "node:assert/strict";
import type { ToolDefinition } from "../core/call.ts";
import { OpenStreams } from "./open_streams.ts";

function streamOf(streams: OpenStreams, upstream: string, mayStay: () => Promise<boolean>) {
  const seen = { aborted: 0, announced: 0 };
  const stream = {
    abort: () => {
      seen.aborted++;
      streams.delete(stream);
    },
  };
  const announceTools = () => void seen.announced++;
  streams.add(stream, {
    ...{ upstream, mayStay, announceTools },
    lists: (tools) => Promise.resolve(tools.map(({ name }) => name === "seen")),
  });
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

Deno.test("recheck() does not wait for one refusal's record before it asks about the next stream", async () => {
  const streams = new OpenStreams();
  let asked = 0;
  const recorded = Promise.withResolvers<void>();
  const seen = Array.from({ length: 100 }, () =>
    streamOf(streams, "a", async () => {
      asked++;
      await recorded.promise;
      return false;
    }));
  const checking = streams.recheck();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(asked, 100);
  recorded.resolve();
  await checking;
  assert.ok(seen.every(({ aborted }) => aborted === 1));
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

const tool = (upstream: string, name: string): ToolDefinition => ({
  ...{ upstream, name, inputSchema: {}, annotations: {} },
});

Deno.test("announceTools() reaches the listeners of that upstream who may list what has changed", async () => {
  const streams = new OpenStreams();
  const one = streamOf(streams, "a", () => Promise.resolve(true));
  const other = streamOf(streams, "b", () => Promise.resolve(true));
  await streams.announceTools("a", [tool("a", "hidden")]);
  assert.deepEqual([one.announced, other.announced], [0, 0]);
  await streams.announceTools("a", [tool("a", "hidden"), tool("a", "seen")]);
  assert.deepEqual([one.announced, other.announced], [1, 0]);
  await streams.announceLists();
  assert.deepEqual([one.announced, other.announced], [2, 1]);
});

Deno.test("announceTools() tells whoever cannot be asked, and goes on with what changes meanwhile", async () => {
  const streams = new OpenStreams();
  const asked: string[][] = [];
  const first = Promise.withResolvers<readonly boolean[]>();
  let announced = 0;
  const control = {
    upstream: "a",
    mayStay: () => Promise.resolve(true),
    lists: (tools: readonly ToolDefinition[]) => {
      asked.push(tools.map(({ name }) => name));
      return asked.length === 1 ? first.promise : Promise.resolve(tools.map(() => true));
    },
    announceTools: () => void announced++,
  };
  streams.add({ abort: () => {} }, control);
  const announcing = streams.announceTools("a", [tool("a", "x")]);
  await Promise.resolve();
  for (const name of ["y", "z"]) void streams.announceTools("a", [tool("a", name)]);
  first.reject(new Error("down"));
  await announcing;
  assert.deepEqual(asked, [["x"], ["y", "z"]]);
  assert.equal(announced, 2);
});
