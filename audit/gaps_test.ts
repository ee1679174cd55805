import assert from "node:assert/strict";
import { gapMember, gapOf, Gaps } from "./gaps.ts";

function counted() {
  let id = 0;
  const gaps = new Gaps(() => `e${++id}`);
  const missing = { chain: "acme", what: "decisions", reason: "bound", count: 1 } as const;
  return { gaps, missing };
}

Deno.test("add() counts by chain and reason, and spans their times whatever their order", () => {
  const { gaps, missing } = counted();
  assert.equal(gaps.add({ ...missing, timeMs: 50 }), true);
  assert.equal(gaps.add({ ...missing, timeMs: 70, count: 3 }), false);
  assert.equal(gaps.add({ ...missing, timeMs: 40 }), false);
  assert.equal(gaps.add({ ...missing, chain: "other", timeMs: 1 }), true);
  assert.equal(gaps.add({ ...missing, reason: "unwritable", timeMs: 1 }), true);
  assert.deepEqual(
    gaps.all().map(({ chain, reason, count, startMs, endMs }) => [chain, reason, count, startMs, endMs]),
    [["acme", "bound", 5, 40, 70], ["other", "bound", 1, 1, 1], ["acme", "unwritable", 1, 1, 1]],
  );
});

Deno.test("close() fixes the counts under their ids: what comes later is another gap", () => {
  const { gaps, missing } = counted();
  gaps.add({ ...missing, timeMs: 1 });
  assert.deepEqual(gaps.close().map(({ eventId, count }) => [eventId, count]), [["e1", 1]]);
  gaps.add({ ...missing, timeMs: 2 });
  assert.deepEqual(gaps.close().map(({ eventId, count }) => [eventId, count]), [["e1", 1], ["e2", 1]]);
  gaps.recorded("e1");
  assert.deepEqual(gaps.all().map(({ eventId }) => eventId), ["e2"]);
});

Deno.test("gapOf() gives back a gap, tells other members, and refuses half a gap", () => {
  const { gaps, missing } = counted();
  gaps.add({ ...missing, timeMs: 5 });
  const [gap] = gaps.all();
  const member = JSON.parse(JSON.stringify(gapMember(gap!)));
  assert.deepEqual(gapOf(member), gap);
  assert.equal(gapOf({ chain: "acme" }), undefined);
  for (
    const changed of [{ count: "1" }, { count: 1.5 }, { what: "outcomes" }, { reason: "toString" }, {
      chain: 1,
    }, {
      start_ms: null,
    }]
  ) {
    assert.throws(() => gapOf({ gap: { ...member.gap, ...changed } }), TypeError, JSON.stringify(changed));
  }
});
