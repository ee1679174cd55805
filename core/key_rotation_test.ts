import assert from "node:assert/strict";
import { derive, parseKeyRing } from "./key_ring.ts";
import { activateKey, addKey, fingerprintOf, fingerprintsOf, withoutKeys } from "./key_rotation.ts";

const KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const RING = parseKeyRing(JSON.stringify({ active: "k1", keys: { k1: KEY, k2: KEY } }));
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));

Deno.test("fingerprintOf() is what docs/reference/keys.md prints, differs per key id, and shows nothing derived", async () => {
  const doc = await Deno.readTextFile(new URL("../docs/reference/keys.md", import.meta.url));
  const fingerprint = await fingerprintOf(RING, "k1");
  assert.match(fingerprint, /^[0-9a-f]{32}$/);
  assert.ok(doc.includes(fingerprint), fingerprint);
  assert.notEqual(await fingerprintOf(RING, "k2"), fingerprint);
  const derived = await derive(RING, "k1", "fingerprint");
  assert.equal(derived.toHex().includes(fingerprint), false);
  assert.deepEqual([...(await fingerprintsOf(RING)).keys()], ["k1", "k2"]);
});

Deno.test("addKey() leaves the active key, activateKey() changes it, withoutKeys() never removes it", () => {
  const added = addKey(RING, "k3", random);
  assert.deepEqual([added.active, [...added.keys.keys()]], ["k1", ["k1", "k2", "k3"]]);
  assert.equal(added.keys.get("k3")?.length, 32);
  const active = activateKey(added, "k3");
  assert.deepEqual([active.active, active.keys], ["k3", added.keys]);
  assert.deepEqual([...withoutKeys(active, new Set(["k1", "other"])).keys.keys()], ["k2", "k3"]);
  assert.throws(() => withoutKeys(active, new Set(["k3"])), /active key "k3" is retired/);
  assert.throws(() => addKey(RING, "k1", random), /has a key "k1" already/);
  assert.throws(() => addKey(RING, "k 1", random), /no key id/);
  assert.throws(() => activateKey(RING, "k9"), /has no key "k9"/);
});

Deno.test("addKey() stops at 64 keys", () => {
  let ring = RING;
  for (let n = 3; n <= 64; n++) ring = addKey(ring, `k${n}`, random);
  assert.throws(() => addKey(ring, "k65", random), /at most 64 fit/);
});
