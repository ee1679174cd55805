import assert from "node:assert/strict";
import fc from "fast-check";
import { PerRootCache } from "./token_cache.ts";

Deno.test("PerRootCache keeps the most recently used entries of a root", () => {
  const cache = new PerRootCache<number>({ perRoot: 2, total: 10 });
  cache.set("a", "root", 1);
  cache.set("b", "root", 2);
  assert.equal(cache.get("a"), 1);
  cache.set("c", "root", 3);
  assert.deepEqual(["a", "b", "c"].map((key) => cache.get(key)), [1, undefined, 3]);
});

Deno.test("PerRootCache does not let one root push out another", () => {
  const cache = new PerRootCache<number>({ perRoot: 16, total: 4096 });
  for (let root = 0; root < 100; root++) cache.set(`victim-${root}`, `root-${root}`, root);
  for (let index = 0; index < 10_000; index++) cache.set(`spam-${index}`, "spammer", index);
  assert.equal(cache.size, 116);
  for (let root = 0; root < 100; root++) assert.equal(cache.get(`victim-${root}`), root);
});

Deno.test("PerRootCache forgets the least recently used entry of all when it is full", () => {
  const cache = new PerRootCache<number>({ perRoot: 2, total: 3 });
  for (const [index, key] of ["a", "b", "c"].entries()) cache.set(key, `root-${key}`, index);
  cache.get("a");
  cache.set("d", "root-d", 3);
  assert.deepEqual(["a", "b", "c", "d"].map((key) => cache.get(key)), [0, undefined, 2, 3]);
});

Deno.test("PerRootCache never holds more than its limits, and returns only what was set", () => {
  const operation = fc.record({ key: fc.nat(30), remove: fc.boolean() });
  fc.assert(fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
    const cache = new PerRootCache<number>({ perRoot: 3, total: 7 });
    const set = new Set<number>();
    for (const { key, remove } of operations) {
      if (remove) cache.delete(`${key}`);
      else cache.set(`${key}`, `root-${key % 4}`, key);
      if (remove) set.delete(key);
      else set.add(key);
      assert.ok(cache.size <= 7);
      if (!remove) assert.equal(cache.get(`${key}`), key);
    }
    const held = [...Array(31).keys()].filter((key) => cache.get(`${key}`) !== undefined);
    assert.equal(held.length, cache.size);
    assert.ok(held.every((key) => set.has(key)));
    for (const root of [0, 1, 2, 3]) assert.ok(held.filter((key) => key % 4 === root).length <= 3);
  }));
});
