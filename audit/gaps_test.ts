import assert from "node:assert/strict";
import { gapMember, gapOf, Gaps } from "./gaps.ts";

const at = (timeMs: number) => ({ startMs: timeMs, endMs: timeMs });

function counted() {
  let id = 0;
  const gaps = new Gaps(() => `e${++id}`);
  const missing = { chain: "acme", what: "decisions", reason: "bound", count: 1 } as const;
  return { gaps, missing };
}

Deno.test("add() counts by chain and reason, and spans their times whatever their order", () => {
  const { gaps, missing } = counted();
  assert.equal(gaps.add({ ...missing, ...at(50) }), true);
  assert.equal(gaps.add({ ...missing, ...at(70), count: 3 }), false);
  assert.equal(gaps.add({ ...missing, ...at(40) }), false);
  assert.equal(gaps.add({ ...missing, chain: "other", ...at(1) }), true);
  assert.equal(gaps.add({ ...missing, reason: "unwritable", ...at(1) }), true);
  assert.deepEqual(
    gaps.all().map(({ chain, reason, count, startMs, endMs }) => [chain, reason, count, startMs, endMs]),
    [["acme", "bound", 5, 40, 70], ["other", "bound", 1, 1, 1], ["acme", "unwritable", 1, 1, 1]],
  );
});

Deno.test("close() fixes the counts under their ids: what comes later is another gap", () => {
  const { gaps, missing } = counted();
  gaps.add({ ...missing, ...at(1) });
  assert.deepEqual(gaps.close().map(({ eventId, count }) => [eventId, count]), [["e1", 1]]);
  gaps.add({ ...missing, ...at(2) });
  assert.deepEqual(gaps.close().map(({ eventId, count }) => [eventId, count]), [["e2", 1]]);
  assert.deepEqual(gaps.closed().map(({ eventId, count }) => [eventId, count]), [["e1", 1], ["e2", 1]]);
  gaps.recorded("e1");
  assert.deepEqual(gaps.all().map(({ eventId }) => eventId), ["e2"]);
});

Deno.test("gapOf() gives back a gap, tells other members, and refuses half a gap", () => {
  const { gaps, missing } = counted();
  gaps.add({ ...missing, ...at(5) });
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

Deno.test("refused() counts a gap for the installation, with its times, under a new id", () => {
  const { gaps, missing } = counted();
  gaps.add({ ...missing, startMs: 3, endMs: 9 });
  gaps.add({ ...missing, chain: "other", ...at(1), count: 2 });
  for (const gap of gaps.close()) gaps.refused(gap);
  assert.deepEqual(gaps.all(), [
    {
      eventId: "e3",
      chain: "~installation",
      what: "decisions",
      reason: "refused",
      count: 3,
      startMs: 1,
      endMs: 9,
    },
  ]);
});
