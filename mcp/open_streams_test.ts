import assert from "node:assert/strict";
import type { ToolDefinition } from "../core/call.ts";
import { OpenStreams } from "./open_streams.ts";
import { Rechecks } from "./rechecks.ts";

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
    ...{ upstream, rechecksBefore: 0, mayStay, announceTools },
    lists: (tools) => Promise.resolve(tools.map(({ name }) => name === "seen")),
  });
  return seen;
}

Deno.test("a stream that may not stay ends, and one that has ended is asked no more", async () => {
  const rechecks = new Rechecks();
  const streams = new OpenStreams(rechecks);
  const stays = streamOf(streams, "a", () => Promise.resolve(true));
  const goes = streamOf(streams, "a", () => Promise.resolve(false));
  await rechecks.recheck();
  assert.deepEqual([stays.aborted, goes.aborted], [0, 1]);
  assert.equal(streams.size, 1);
  streams.closeAll();
  assert.equal(stays.aborted, 1);
  await rechecks.recheck();
  assert.deepEqual([stays.aborted, goes.aborted], [1, 1]);
});

const tool = (upstream: string, name: string): ToolDefinition => ({
  ...{ upstream, name, inputSchema: {}, annotations: {} },
});

Deno.test("announceTools() reaches the listeners of that upstream who may list what has changed", async () => {
  const streams = new OpenStreams(new Rechecks());
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
  const streams = new OpenStreams(new Rechecks());
  const asked: string[][] = [];
  const first = Promise.withResolvers<readonly boolean[]>();
  let announced = 0;
  const control = {
    upstream: "a",
    rechecksBefore: 0,
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
