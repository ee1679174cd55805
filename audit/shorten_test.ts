import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { MAX_EVENT_BYTES } from "../core/audit_entry.ts";
import { canonicalEvent, shortenText } from "./shorten.ts";

Deno.test("canonicalEvent() leaves an event that fits as it is", () => {
  assert.equal(canonicalEvent({ b: 1, a: "x" }), '{"a":"x","b":1}');
});

Deno.test("canonicalEvent() shortens long names with a mark", () => {
  const text = canonicalEvent({ api: { operation: "x".repeat(100_000) }, unmapped: { check: "policy" } });
  const event = JSON.parse(text);
  assert.match(event.api.operation, /^x{4000}… \[96000 characters cut\]$/);
  assert.deepEqual(event.unmapped, { check: "policy", shortened: true });
});

Deno.test("canonicalEvent() always fits and stays valid JSON without lone surrogates", () => {
  const member = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 50_000, size: "max" }),
    fc.array(fc.string({ unit: "grapheme" }), { maxLength: 5_000, size: "max" }),
    fc.constant("😀".repeat(40_000)),
    fc.constant("\u0001".repeat(50_000)),
  );
  fc.assert(
    fc.property(fc.array(member, { minLength: 1, maxLength: 12 }), (members) => {
      const event = Object.fromEntries(members.map((value, index) => [`m${index}`, value]));
      const text = canonicalEvent(event);
      assert.ok(Buffer.byteLength(text) <= MAX_EVENT_BYTES);
      assert.ok(text.isWellFormed());
      JSON.parse(text);
    }),
    { numRuns: 30 },
  );
});

Deno.test("shortenText() never splits a surrogate pair", () => {
  const text = "a" + "😀".repeat(100);
  for (let limit = 10; limit < 20; limit++) assert.ok(shortenText(text, limit).isWellFormed());
});
