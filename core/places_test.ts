import assert from "node:assert/strict";
import * as fc from "fast-check";
import { Places } from "./places.ts";

function fill(places: Places, party: string): number {
  let got = 0;
  while (places.enter(party)) got++;
  return got;
}

Deno.test("enter() gives one party alone seven eighths, and a newcomer always finds a place", () => {
  const places = new Places(64);
  assert.equal(fill(places, "flood"), 56);
  assert.equal(places.enter("quiet"), true);
  assert.equal(places.enter("flood"), false);
  places.leave("quiet");
  assert.equal(places.taken, 56);
});

Deno.test("enter() ends at the limit whatever the number of parties", () => {
  const places = new Places(16);
  for (let party = 0; party < 100; party++) fill(places, `party ${party}`);
  assert.ok(places.taken <= 16);
  assert.equal(new Places(1).enter("a"), true);
});

Deno.test("enter() lets a party grow to an equal share of three while a bigger one shrinks", () => {
  const places = new Places(64);
  const flood = fill(places, "flood");
  assert.equal(fill(places, "quiet"), 8, "the reserve");
  for (let freed = 0; freed < flood; freed++) {
    places.leave("flood");
    assert.equal(places.enter("flood"), false, "the flood is above its share");
    if (!places.enter("quiet")) break;
  }
  assert.equal(places.held("quiet"), 21);
});

Deno.test("leave() refuses what was never taken", () => {
  const places = new Places(4);
  places.enter("a", 2);
  assert.throws(() => places.leave("a", 3), RangeError);
  assert.throws(() => places.leave("b"), RangeError);
  assert.throws(() => new Places(0), RangeError);
});

Deno.test("force() takes a place beyond the limit, and others then find none", () => {
  const places = new Places(2);
  for (let index = 0; index < 5; index++) places.force("owed");
  assert.equal(places.taken, 5);
  assert.equal(places.hasRoom("a"), false);
});

Deno.test("Places counts exactly what is held, never more than its limit (property)", () => {
  const step = fc.record({
    party: fc.constantFrom("a", "b", "c", "d"),
    size: fc.integer({ min: 1, max: 5 }),
  });
  fc.assert(fc.property(fc.integer({ min: 1, max: 40 }), fc.array(step), (limit, steps) => {
    const places = new Places(limit);
    const entered: { party: string; size: number }[] = [];
    for (const { party, size } of steps) {
      const could = places.hasRoom(party, size);
      assert.equal(places.enter(party, size), could);
      if (could) entered.push({ party, size });
      assert.ok(places.taken <= limit);
      if (entered.length % 3 === 2) {
        const gone = entered.shift()!;
        places.leave(gone.party, gone.size);
      }
      assert.equal(places.taken, entered.reduce((sum, one) => sum + one.size, 0));
    }
  }));
});
