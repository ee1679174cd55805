import assert from "node:assert/strict";
import fc from "fast-check";
import { uuidv7 } from "./uuid.ts";

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const timeMs = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const random = fc.uuid({ version: 4 });

Deno.test("uuidv7() makes the example of RFC 9562, appendix A.6", () => {
  assert.equal(
    uuidv7(0x017f22e279b0, "919108f7-52d1-4cc3-98c4-dc0c0c07398f"),
    "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
  );
});

Deno.test("uuidv7() sets version and variant, and keeps all 74 random bits that both versions have", () => {
  fc.assert(fc.property(timeMs, random, (nowMs, uuidv4) => {
    const made = uuidv7(nowMs, uuidv4);
    assert.match(made, FORM);
    assert.equal(made.slice(15), uuidv4.slice(15));
  }));
});

Deno.test("uuidv7() takes what crypto.randomUUID() makes", () => {
  for (let round = 0; round < 1_000; round++) assert.match(uuidv7(round, crypto.randomUUID()), FORM);
});

Deno.test("uuidv7() sorts by time as text", () => {
  fc.assert(fc.property(timeMs, timeMs, random, random, (a, b, first, second) => {
    fc.pre(a < b);
    assert.ok(uuidv7(a, first) < uuidv7(b, second));
  }));
});

Deno.test("uuidv7() refuses times and random texts that do not fit", () => {
  const uuidv4 = "919108f7-52d1-4cc3-98c4-dc0c0c07398f";
  for (const nowMs of [-1, 0.5, Number.NaN, Infinity, 2 ** 48]) {
    assert.throws(() => uuidv7(nowMs, uuidv4), RangeError);
  }
  for (const text of ["", uuidv4.toUpperCase(), uuidv4.slice(1), uuidv7(1, uuidv4), `${uuidv4}\n`]) {
    assert.throws(() => uuidv7(0, text), RangeError);
  }
});
