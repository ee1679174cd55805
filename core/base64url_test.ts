import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeBase64url, encodeBase64url } from "./base64url.ts";

Deno.test("decodeBase64url() returns the bytes that encodeBase64url() wrote", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
    assert.deepEqual(decodeBase64url(encodeBase64url(bytes)), new Uint8Array(bytes));
  }));
});

Deno.test("decodeBase64url() accepts exactly one spelling", () => {
  for (
    const text of [
      "AA==",
      "AA=",
      "AB",
      "AAB",
      "A",
      "A+8_",
      "A/8_",
      "AA\n",
      "\nAA",
      " AA",
      "AA.AA",
      "éAA",
      "ＡＡ",
      "AAAAA",
    ]
  ) {
    assert.equal(decodeBase64url(text), undefined, JSON.stringify(text));
  }
  assert.deepEqual(decodeBase64url("AA"), new Uint8Array([0]));
  assert.deepEqual(decodeBase64url(""), new Uint8Array());
});

Deno.test("decodeBase64url() refuses every string that is not its own re-encoding", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 12 }), (text) => {
    const bytes = decodeBase64url(text);
    assert.ok(bytes === undefined || encodeBase64url(bytes) === text);
  }));
});
