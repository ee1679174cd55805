import assert from "node:assert/strict";
import fc from "fast-check";
import { UUID_RANDOM_BYTES, uuidv7 } from "./uuid.ts";

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const timeMs = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const random = fc.uint8Array({ minLength: UUID_RANDOM_BYTES, maxLength: UUID_RANDOM_BYTES });

Deno.test("uuidv7() makes the example of RFC 9562, appendix A.6", () => {
  // rand_a is 0xCC3, rand_b is 0x18C4DC0C0C07398F; the bits above them are overwritten.
  const bytes = Uint8Array.fromHex("0cc318c4dc0c0c07398f");
  assert.equal(uuidv7(0x017f22e279b0, bytes), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
});

Deno.test("uuidv7() sets version and variant whatever the random bytes are", () => {
  fc.assert(fc.property(timeMs, random, (nowMs, bytes) => assert.match(uuidv7(nowMs, bytes), FORM)));
});

Deno.test("uuidv7() sorts by time as text", () => {
  fc.assert(fc.property(timeMs, timeMs, random, random, (a, b, first, second) => {
    fc.pre(a < b);
    assert.ok(uuidv7(a, first) < uuidv7(b, second));
  }));
});

Deno.test("uuidv7() keeps all 74 random bits", () => {
  const zeros = new Uint8Array(UUID_RANDOM_BYTES);
  const seen = new Set([uuidv7(0, zeros)]);
  for (let bit = 0; bit < UUID_RANDOM_BYTES * 8; bit++) {
    const one = zeros.slice();
    one[bit >> 3] = 0x80 >> (bit & 7);
    seen.add(uuidv7(0, one));
  }
  assert.equal(seen.size, 74 + 1);
});

Deno.test("uuidv7() leaves the caller's bytes alone", () => {
  const bytes = new Uint8Array(UUID_RANDOM_BYTES).fill(0xff);
  uuidv7(1, bytes);
  assert.ok(bytes.every((byte) => byte === 0xff));
});

Deno.test("uuidv7() refuses times and random bytes that do not fit", () => {
  const bytes = new Uint8Array(UUID_RANDOM_BYTES);
  for (const nowMs of [-1, 0.5, Number.NaN, Infinity, 2 ** 48]) {
    assert.throws(() => uuidv7(nowMs, bytes), RangeError);
  }
  for (const length of [0, 9, 11, 16]) {
    assert.throws(() => uuidv7(0, new Uint8Array(length)), RangeError);
  }
});
