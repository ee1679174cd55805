import assert from "node:assert/strict";
import { LIST_TTL_MS, ListCache, type ListCacheLimits, type ListKey } from "./list_cache.ts";
import type { Hider } from "./listing.ts";

function setUp(limits: Partial<ListCacheLimits> = {}) {
  const world = { steadyMs: 0, nowMs: 1_000_000, asked: [] as string[][] };
  const cache = new ListCache({
    nowMs: () => world.nowMs,
    steadyMs: () => world.steadyMs,
    limits: { entries: 100, entriesPerRoot: 100, names: 1_000, characters: 10_000, ...limits },
  });
  const ask = (unknown: readonly { readonly name: string }[]) => {
    world.asked.push(unknown.map(({ name }) => name));
    return Promise.resolve(unknown.map(({ name }): Hider => name === "hidden" ? "policy" : undefined));
  };
  return { world, cache, ask };
}

const key = (caller: string, changes: Partial<ListKey> = {}): ListKey => ({
  ...{ key: caller, root: caller, expiresAtMs: 2_000_000 },
  ...changes,
});
const items = (...names: string[]) => names.map((name) => ({ name, of: name }));

Deno.test("hiders() asks only about what is not known, for 5 s", async () => {
  const { world, cache, ask } = setUp();
  assert.deepEqual(await cache.hiders(key("a"), items("x", "hidden"), ask), [undefined, "policy"]);
  assert.deepEqual(await cache.hiders(key("a"), items("hidden", "y", "x"), ask), [
    "policy",
    undefined,
    undefined,
  ]);
  assert.deepEqual(world.asked, [["x", "hidden"], ["y"]]);
  world.steadyMs = LIST_TTL_MS - 1;
  world.nowMs -= 1_000_000; // a clock that is set back changes nothing
  await cache.hiders(key("a"), items("x"), ask);
  assert.equal(world.asked.length, 2);
  world.steadyMs = LIST_TTL_MS;
  await cache.hiders(key("a"), items("x"), ask);
  assert.deepEqual(world.asked.at(-1), ["x"]);
});

Deno.test("an answer ends with the token, serves one key only, and one definition only", async () => {
  const { world, cache, ask } = setUp();
  const [definition, other] = [{ version: 1 }, { version: 1 }];
  await cache.hiders(key("a", { expiresAtMs: 1_000_500 }), [{ name: "x", of: definition }], ask);
  const isListed = (caller: string, of: unknown) => cache.isListed(key(caller), { name: "x", of });
  assert.equal(isListed("a", definition), true);
  assert.equal(isListed("a", other), false, "another definition");
  assert.equal(isListed("b", definition), false, "another caller, policy or settings version");
  await cache.hiders(key("a", { expiresAtMs: 1_000_500 }), [{ name: "x", of: other }], ask);
  assert.equal(world.asked.length, 2);
  assert.equal(isListed("a", other), true);
  world.nowMs = 1_000_500;
  assert.equal(isListed("a", other), false, "the token has expired");
});

Deno.test("isListed() says yes only to what is known to be listed", async () => {
  const { cache, ask } = setUp();
  await cache.hiders(key("a"), items("hidden"), ask);
  assert.equal(cache.isListed(key("a"), { name: "hidden", of: "hidden" }), false);
  cache.keep(key("a"), { name: "x", of: 1 }, undefined);
  assert.equal(cache.isListed(key("a"), { name: "x", of: 1 }), true);
});

Deno.test("requests that come together share one asking, and its failure", async () => {
  const { cache, ask, world } = setUp();
  const answers = await Promise.all([1, 2, 3].map(() => cache.hiders(key("a"), items("x", "hidden"), ask)));
  assert.deepEqual(answers, [[undefined, "policy"], [undefined, "policy"], [undefined, "policy"]]);
  assert.deepEqual(world.asked, [["x", "hidden"]]);
  let failures = 0;
  const fails = () => Promise.reject(new Error(`down ${++failures}`));
  const failed = await Promise.allSettled([1, 2, 3].map(() => cache.hiders(key("b"), items("x"), fails)));
  assert.deepEqual(failed.map(({ status }) => status), ["rejected", "rejected", "rejected"]);
  assert.equal(failures, 1);
  assert.deepEqual(await cache.hiders(key("b"), items("x"), ask), [undefined], "and the next asks again");
});

Deno.test("the cache holds no more entries, names and characters than it may", async () => {
  const { cache, ask } = setUp({ entries: 3, names: 10, characters: 40 });
  for (const caller of ["a", "b", "c", "d"]) await cache.hiders(key(caller), items("x"), ask);
  assert.equal(cache.size, 3);
  assert.equal(cache.isListed(key("a"), { name: "x", of: "x" }), false, "the oldest went");
  await cache.hiders(key("e"), items(..."abcdefghi"), ask);
  assert.deepEqual([cache.size, cache.names], [2, 10], "nine names, and one of the caller before");
  await cache.hiders(key("f"), items("long ".repeat(7)), ask);
  assert.deepEqual([cache.size, cache.names], [1, 1]);
  const whole = items(..."abcdefghijkl");
  assert.equal(
    (await cache.hiders(key("g"), whole, ask)).length,
    whole.length,
    "what is not kept is answered all the same",
  );
  assert.deepEqual([cache.size, cache.names], [0, 0]);
});

Deno.test("the holder of one token pushes out entries of that same token only", async () => {
  const { cache, ask } = setUp({ entriesPerRoot: 2 });
  await cache.hiders(key("victim"), items("x"), ask);
  for (const child of ["c1", "c2", "c3", "c4"]) {
    await cache.hiders(key(child, { root: "flood" }), items("x"), ask);
  }
  assert.equal(cache.size, 3);
  assert.equal(cache.isListed(key("victim"), { name: "x", of: "x" }), true);
});

Deno.test("what has ended is dropped when something new comes, and an entry that was pushed out still answers", async () => {
  const { cache, ask, world } = setUp({ entriesPerRoot: 1 });
  for (const caller of ["a", "b"]) await cache.hiders(key(caller), items("x"), ask);
  world.steadyMs = LIST_TTL_MS;
  await cache.hiders(key("c"), items("x"), ask);
  assert.deepEqual([cache.size, cache.names], [1, 1]);
  const slow = Promise.withResolvers<readonly Hider[]>();
  const first = cache.hiders(key("d1", { root: "d" }), items("x"), () => slow.promise);
  await cache.hiders(key("d2", { root: "d" }), items("y"), ask);
  slow.resolve(["policy"]);
  assert.deepEqual(await first, ["policy"]);
  assert.deepEqual([cache.size, cache.names], [2, 2]);
});
