import assert from "node:assert/strict";
import * as fc from "fast-check";
import { decodeBase64, encodeBase64 } from "./base64.ts";

Deno.test("decodeBase64() reads what encodeBase64() wrote, and only that spelling", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    assert.deepEqual(decodeBase64(encodeBase64(bytes)), bytes);
  }));
  fc.assert(fc.property(fc.string(), (text) => {
    const bytes = decodeBase64(text);
    if (bytes !== undefined) assert.equal(encodeBase64(bytes), text);
  }));
});

Deno.test("decodeBase64() refuses spare bits, other alphabets, missing padding and line breaks", () => {
  for (const text of ["QQ", "QQ=", "QR==", "QUI", "QUJ=", "Q-_=", "QQ==\n", "Q Q=", "=", "QQ==QQ=="]) {
    assert.equal(decodeBase64(text), undefined, JSON.stringify(text));
  }
});
