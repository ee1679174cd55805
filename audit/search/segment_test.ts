import assert from "node:assert/strict";
import { EventSet, SEGMENT_EVENTS, SegmentBuilder, termHash } from "./segment.ts";

Deno.test("build() says for every term which events have it, few as a list and many as a bitmap", () => {
  const builder = new SegmentBuilder();
  for (let offset = 0; offset < SEGMENT_EVENTS; offset++) {
    builder.add(offset, {
      time: 1_000 + offset,
      actor: { app_uid: offset % 2 === 0 ? "even" : "odd" },
      unmapped: { block_ids: offset % 1_000 === 7 ? ["b", "c"] : [] },
    });
  }
  const { hits, firstTime, lastTime, times } = builder.build();
  const of = (name: "agent" | "block_id", value: string) =>
    hits.get(termHash(name, value)) ?? assert.fail(value);
  assert.deepEqual([hits.size, firstTime, lastTime, times.length], [4, 1_000, 5_095, SEGMENT_EVENTS * 8]);
  assert.equal(of("agent", "even").length, SEGMENT_EVENTS / 8);
  assert.deepEqual([...of("block_id", "b")], [0, 7, 3, 239, 7, 215, 11, 191, 15, 167]);
  assert.deepEqual(EventSet.of(of("block_id", "c")).newestFirst(), [4_007, 3_007, 2_007, 1_007, 7]);
  const set = EventSet.of(of("agent", "odd"));
  set.keepIn(EventSet.of(of("block_id", "b")));
  set.keepWithin(times, 2_007, 4_007 + 1_000);
  assert.deepEqual(set.newestFirst(), [3_007, 2_007, 1_007]);
});

Deno.test("every number of hits comes back as it was", () => {
  for (const count of [1, 2, 255, 256, 257, SEGMENT_EVENTS]) {
    const builder = new SegmentBuilder();
    for (let offset = 0; offset < count; offset++) builder.add(offset, { actor: { app_uid: "a" } });
    const { hits } = builder.build();
    const bytes = hits.get(termHash("agent", "a")) ?? assert.fail();
    assert.equal(bytes.length, Math.min(count * 2, 512));
    assert.equal(EventSet.of(bytes).newestFirst().length, count);
  }
});

Deno.test("an event without a time belongs to every time, and one that is no object to no term", () => {
  const builder = new SegmentBuilder();
  builder.add(0, { time: 5 });
  builder.add(1, "text");
  const { firstTime, lastTime, times, hits } = builder.build();
  assert.deepEqual([firstTime, lastTime, hits.size], [-Infinity, Infinity, 0]);
  const set = EventSet.all();
  set.keepWithin(times, 6, 7);
  assert.deepEqual(set.newestFirst().toReversed().slice(0, 2), [1, 2]);
});

Deno.test("termHash() keeps members apart and fits a bigint column", () => {
  assert.notEqual(termHash("agent", "x"), termHash("tool", "x"));
  assert.match(termHash("agent", "x"), /^-?\d{1,19}$/);
});
