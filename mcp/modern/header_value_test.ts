import assert from "node:assert/strict";
import fc from "fast-check";
import { headerValue } from "../links/parameter_headers.ts";
import { decodeHeaderValue } from "./header_value.ts";

Deno.test("decodeHeaderValue() gives back whatever headerValue() wrote", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (text) => {
    assert.equal(decodeHeaderValue(headerValue(text)), text);
  }));
  for (const text of ["=?base64?SGVsbG8=?=", " x", "x ", "\u00e4", "\ufeffx", "=?base64??="]) {
    assert.equal(decodeHeaderValue(headerValue(text)), text);
  }
});

Deno.test("decodeHeaderValue() takes nothing that two readers could read differently", () => {
  const refused = [
    ...["=?base64?SGVsbG8?=", "=?base64?SGVs bG8=?=", "=?base64?SGVsbG8=SGVs?=", "=?base64?SGVsbG9=?="],
    ...["=?base64?SGVsbG8-?=", "=?base64?/w==?=", "=?base64?=SGV?=", "a\u0000b", "\u00e4", "a\nb"],
  ];
  for (const value of refused) assert.equal(decodeHeaderValue(value), undefined, JSON.stringify(value));
  assert.equal(decodeHeaderValue("=?BASE64?SGVsbG8=?="), "=?BASE64?SGVsbG8=?=");
  assert.equal(decodeHeaderValue("=?base64?="), "=?base64?=");
});
