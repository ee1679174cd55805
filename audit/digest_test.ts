import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { saltedDigest } from "./digest.ts";

Deno.test("saltedDigest() is the HMAC-SHA256 of RFC 4231, test cases 1 and 2", () => {
  assert.equal(
    saltedDigest(new Uint8Array(20).fill(0x0b), "Hi There"),
    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
  );
  assert.equal(
    saltedDigest(new TextEncoder().encode("Jefe"), "what do ya want for nothing?"),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
});

Deno.test("saltedDigest() equals createHmac() and leaves the salt alone", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), fc.string({ unit: "binary" }), (salt, text) => {
    const before = salt.slice();
    assert.equal(saltedDigest(salt, text), createHmac("sha256", salt).update(text, "utf8").digest("hex"));
    assert.deepEqual(salt, before);
  }));
});

Deno.test("saltedDigest() refuses a salt that HMAC would first have to hash", () => {
  assert.throws(() => saltedDigest(new Uint8Array(65), ""), RangeError);
});
