import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import type { Arrival, FrontParts } from "../arrival.ts";
import { upstreamOf } from "../front_fixture.ts";
import type { RequestMessage } from "../message.ts";
import type { Admitted } from "../port.ts";
import { exchangeWith, type ResolvedUpstream } from "../upstream_connection.ts";
import { createUpstreamLoads } from "../upstream_load.ts";
import { createAggregateCursors } from "./aggregate_cursors.ts";
import { listPage } from "./aggregate_lists.ts";

const clock = { nowMs: () => 0 };
async function makeCursors() {
  const usages: KeyUsage[] = ["encrypt", "decrypt"];
  const key = await crypto.subtle.importKey("raw", new Uint8Array(32), "AES-GCM", false, usages);
  return createAggregateCursors({ active: "k", keys: new Map([["k", key]]) });
}
const message: RequestMessage = {
  ...{ kind: "request", id: 1, method: "prompts/list", params: {} },
  bytes: new Uint8Array(),
};

/** Lists the prompts of upstreams, each of which answers with this result, or says nothing. */
async function listing(results: Readonly<Record<string, JsonObject | undefined>>, withinMs?: number) {
  const loads = createUpstreamLoads({
    maxConcurrent: new Map(Object.keys(results).map((name) => [name, 1])),
    steadyMs: () => 0,
  });
  const upstreams: readonly ResolvedUpstream[] = Object.entries(results).map(([name, result]) => ({
    ...upstreamOf("http://localhost"),
    name,
    serve: () =>
      result === undefined
        ? new Promise(() => {})
        : Promise.resolve(Response.json({ jsonrpc: "2.0", id: 1, result })),
  }));
  const listCursors = await makeCursors();
  const parts = { ...clock, loads, listCursors } as unknown as FrontParts;
  const admitted = {
    ...{ tenant: "acme", rootBlockId: "r" },
    listsNames: ({ names }: { names: readonly string[] }) => Promise.resolve(names.map(() => true)),
  } as unknown as Admitted;
  const list = () =>
    listPage(parts, message, {
      ...{ admitted, upstreams },
      arrivalAt: (upstream) => ({ origin: { upstream: upstream.name } }) as Arrival,
      ask: (upstream) => exchangeWith(upstream, { method: "POST" }, clock),
      ...(withinMs === undefined ? {} : { withinMs }),
    });
  return { loads, list, listCursors };
}

const prompt = { prompts: [{ name: "p" }] };
const ofA = '{"name":"a__p"}', ofB = '{"name":"b__p"}';

Deno.test("a list takes a place at each upstream, and leaves out who has none", async () => {
  const { loads, list } = await listing({ a: prompt, b: prompt });
  loads.enter("a", "other");
  assert.deepEqual((await list()).items, [ofB]);
  loads.leave("a", "other");
  assert.deepEqual((await list()).items, [ofA, ofB]);
  assert.equal(loads.waiting(), 0);
});

Deno.test("silent upstreams keep a list back once, all of them together, and hide no other", async () => {
  const silent = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`s${index}`, undefined]));
  const { loads, list } = await listing({ ...silent, a: prompt, b: prompt }, 1_000);
  const startedMs = performance.now();
  const { items, nextCursor } = await list();
  assert.deepEqual([items, nextCursor], [[ofA, ofB], undefined]);
  assert.ok(performance.now() - startedMs < 1_900);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(loads.waiting(), 0);
});

Deno.test("upstreams that a list did not come to in time are on its next page", async () => {
  const silent = Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`s${index}`, undefined]));
  const { list, listCursors } = await listing({ ...silent, a: prompt }, 100);
  const { items, nextCursor } = await list();
  assert.deepEqual(items, []);
  const next = { ...message, params: { cursor: nextCursor ?? null } };
  const reader = { tenant: "acme", rootBlockId: "r" };
  assert.deepEqual(await listCursors.read(next, reader), new Map([["a", ""]]));
});

Deno.test("an upstream with an endless cursor ends its own list and nobody else's", async () => {
  const { list, listCursors } = await listing({
    a: { ...prompt, nextCursor: "x".repeat(2_049) },
    b: { ...prompt, nextCursor: "2" },
  });
  const { items, nextCursor } = await list();
  assert.deepEqual(items, [ofA, ofB]);
  const read = (cursor: string | undefined, changes: Partial<RequestMessage> = {}, rootBlockId = "r") =>
    listCursors.read({ ...message, params: { cursor: cursor ?? null }, ...changes }, {
      tenant: "acme",
      rootBlockId,
    });
  assert.deepEqual(await read(nextCursor), new Map([["b", "2"]]));
  assert.match(nextCursor ?? "", /^igc1\.k\.[A-Za-z0-9_-]+$/);
  // Another list, another reader, another text.
  await assert.rejects(read(nextCursor, { method: "tools/list" }), { name: "MessageError" });
  await assert.rejects(read(nextCursor, {}, "other"), { name: "MessageError" });
  await assert.rejects(read(`${nextCursor}A`), { name: "MessageError" });
});

Deno.test("a cursor is never longer than what the next request may bring: the longest of its parts are left out", async () => {
  const cursors = await makeCursors();
  const reader = { tenant: "acme", rootBlockId: "r" };
  const parts = Array.from({ length: 100 }, (_, n): [string, string] => [`u${n}`, "\u0001".repeat(20 * n)]);
  const cursor = await cursors.write(new Map(parts), message, reader);
  const read = await cursors.read({ ...message, params: { cursor: cursor ?? null } }, reader);
  assert.ok(read !== undefined && read.size > 50 && read.size < 100 && read.has("u0") && !read.has("u99"));
});
