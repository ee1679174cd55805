import assert from "node:assert/strict";
import {
  derive,
  deriveHmacKey,
  formatKeyRing,
  generateKeyRing,
  KEY_PURPOSES,
  parseKeyRing,
} from "./key_ring.ts";

const KEY_1 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const KEY_2 = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";
const RING = JSON.stringify({ active: "k1", keys: { k1: KEY_1, k2: KEY_2 } });

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test("parseKeyRing() reads what formatKeyRing() wrote", () => {
  const ring = generateKeyRing((length) => new Uint8Array(length).map((_, index) => index * 7));
  assert.deepEqual(parseKeyRing(formatKeyRing(ring)), ring);
  assert.equal(ring.active, "k1");
});

Deno.test("parseKeyRing() refuses everything that is not a ring, and never prints a key", () => {
  const bad: readonly string[] = [
    "",
    KEY_1,
    "[]",
    "null",
    `{"active":"k1","keys":{"k1":"${KEY_1}"},"extra":"${KEY_1}"}`,
    `{"active":"k1","keys":{"k1":"${KEY_1}","k1":"${KEY_1}"}}`,
    `{"active":"k2","keys":{"k1":"${KEY_1}"}}`,
    `{"active":1,"keys":{"k1":"${KEY_1}"}}`,
    `{"active":"k 1","keys":{"k 1":"${KEY_1}"}}`,
    `{"active":"k1","keys":["${KEY_1}"]}`,
    `{"active":"k1","keys":{}}`,
    `{"active":"k1","keys":{"k1":"${KEY_1}="}}`,
    `{"active":"k1","keys":{"k1":"${KEY_1}9"}}`,
    `{"active":"k1","keys":{"k1":"${KEY_1.slice(0, -1)}9"}}`,
    `{"active":"k1","keys":{"k1":"${"A".repeat(43)}"}}`,
    `{"active":"k1","keys":{"k1":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}}`,
    `{"active":"k1","keys":{"k1":"${KEY_1}"}`,
    `{"active":"k1","keys":{"${KEY_1}":"${KEY_2}"}} ${KEY_1}`,
  ];
  for (const text of bad) {
    assert.throws(() => parseKeyRing(text), (error: Error & { code?: string }) => {
      assert.equal(error.code, "key_unusable");
      assert.ok(!error.message.includes(KEY_1.slice(0, 8)), error.message);
      assert.ok(!error.message.includes("00010203"), error.message);
      assert.equal(error.cause, undefined);
      return true;
    }, text);
  }
});

Deno.test("generateKeyRing() insists on 32 bytes and a good key id", () => {
  assert.throws(() => generateKeyRing(() => new Uint8Array(31)), RangeError);
  assert.throws(() => generateKeyRing((length) => new Uint8Array(length), "k.1"), RangeError);
});

Deno.test("derive() separates keys by ring key, purpose and context", async () => {
  const ring = parseKeyRing(RING);
  const outputs = [
    await derive(ring, "k1", "token"),
    await derive(ring, "k1", "session"),
    await derive(ring, "k2", "token"),
    await derive(ring, "k1", "token", "x"),
  ].map(hex);
  assert.equal(new Set(outputs).size, 4);
  assert.ok(outputs.every((output) => output.length === 64));
  assert.equal(hex(await derive(ring, "k1", "token")), outputs[0]);
  await assert.rejects(derive(ring, "k3", "token"), { code: "key_unusable" });
});

Deno.test("derive() gives the bytes that docs/reference/keys.md prints", async () => {
  const doc = await Deno.readTextFile(new URL("../docs/reference/keys.md", import.meta.url));
  const ring = parseKeyRing(RING);
  for (const purpose of KEY_PURPOSES) {
    assert.ok(doc.includes(hex(await derive(ring, "k1", purpose))), purpose);
  }
});

Deno.test("deriveHmacKey() gives a key that signs and cannot be read", async () => {
  const key = await deriveHmacKey(parseKeyRing(RING), "k1", "token");
  assert.deepEqual([key.extractable, key.usages], [false, ["sign"]]);
  await assert.rejects(crypto.subtle.exportKey("raw", key));
});
