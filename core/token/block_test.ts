import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeBase64url } from "../base64url.ts";
import type { JsonObject } from "../json.ts";
import { decodeBlock, encodeBlock, parseLaterBlock, parseRootBlock } from "./block.ts";
import { TokenError } from "./token_error.ts";

const ROOT: JsonObject = {
  kid: "k1",
  jti: "AAECAwQFBgcICQoLDA0ODw",
  iss: "intentgate",
  aud: "log",
  tenant: "acme",
  sub: "agent",
  iat: 1,
  exp: 2,
  upstreams: ["*"],
  tools: ["*"],
};

Deno.test("decodeBlock() reads what encodeBlock() wrote, whatever the characters", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ minLength: 1 }), fc.string({ unit: "binary" })), (block) => {
      fc.pre(Object.keys(block).every((name) => name !== "__proto__" && !name.includes("\0")));
      assert.deepEqual({ ...decodeBlock(encodeBlock(block)) }, { ...block });
    }),
  );
});

Deno.test("decodeBlock() refuses JSON that two parsers could read differently", () => {
  const texts = ["", "[]", "null", '{"a":1,"a":1}', '{"__proto__":1}', "\ufeff{}", "{}x", '{"a":"\\ud800"}'];
  for (const text of texts) {
    assert.throws(() => decodeBlock(encodeBase64url(new TextEncoder().encode(text))), TokenError, text);
  }
  assert.throws(() => decodeBlock(encodeBase64url(new Uint8Array([0x7b, 0xff, 0x7d]))), TokenError);
  assert.throws(() => decodeBlock("e30="), TokenError);
});

Deno.test("parseRootBlock() insists on every mandatory member and on no other", () => {
  assert.equal(parseRootBlock(ROOT).sub, "agent");
  for (const name of Object.keys(ROOT)) {
    assert.throws(() => parseRootBlock({ ...ROOT, [name]: undefined }), TokenError, name);
    assert.throws(() => parseRootBlock({ ...ROOT, [name]: null }), TokenError, name);
    assert.throws(() => parseRootBlock({ ...ROOT, [name]: {} }), TokenError, name);
  }
  for (const name of ["usr", "act", "src", "delegate", "Tools", "risk_max", ""]) {
    assert.throws(() => parseRootBlock({ ...ROOT, [name]: "x" }), TokenError, name);
  }
  assert.throws(() => parseRootBlock({ ...ROOT, exp: 1 }), TokenError);
  assert.throws(() => parseRootBlock({ ...ROOT, sub: "a\u0000" }), TokenError);
  assert.throws(() => parseRootBlock({ ...ROOT, sub: "a".repeat(201) }), TokenError);
});

Deno.test("parseLaterBlock() takes restrictions and a delegate, and nothing that says who", () => {
  assert.equal(parseLaterBlock({ delegate: "d", tools: ["a"] }).delegate, "d");
  assert.doesNotThrow(() => parseLaterBlock({}));
  for (const name of ["kid", "jti", "iss", "aud", "tenant", "sub", "iat", "usr", "act", "src", "x"]) {
    assert.throws(() => parseLaterBlock({ [name]: "x" }), TokenError, name);
  }
});
