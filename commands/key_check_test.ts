import assert from "node:assert/strict";
import { parseKeyRing } from "../core/key_ring.ts";
import { fingerprintOf } from "../core/key_rotation.ts";
import type { Tx } from "../core/tx.ts";
import { checkKeys, type KnownKey } from "./key_check.ts";

const RING = parseKeyRing(JSON.stringify({
  active: "k1",
  keys: {
    k1: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    k2: "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8",
  },
}));
const OTHER = "0".repeat(32);

/** What becomes of the ring, given what else the database knows. */
async function check(changes: readonly Partial<KnownKey>[]) {
  const known = new Map<string, KnownKey>();
  for (const kid of RING.keys.keys()) {
    const fingerprint = await fingerprintOf(RING, kid);
    known.set(kid, { kid, fingerprint, activatedAt: undefined, retiredAt: undefined });
  }
  for (const change of changes) {
    const kid = change.kid ?? "";
    const before = known.get(kid) ?? { kid, fingerprint: OTHER, activatedAt: 1, retiredAt: undefined };
    known.set(kid, { ...before, ...change });
  }
  const log: string[] = [];
  const activated: string[] = [];
  const ring = await checkKeys(
    {
      keys: {
        register: () => Promise.resolve([...known.values()]),
        activate: (_tx, kid) => Promise.resolve(void activated.push(kid)),
      },
      db: { transact: (work) => work({} as Tx) },
    },
    RING,
    (level, _message, fields) => void log.push(`${level} ${fields?.kid}`),
  );
  return { kids: [...ring.keys.keys()], activated, log };
}

Deno.test("checkKeys() takes a ring that is known, new, or has what nobody needs any more", async () => {
  const whole = { kids: ["k1", "k2"], activated: ["k1"], log: [] };
  assert.deepEqual(await check([]), whole);
  assert.deepEqual(await check([{ kid: "k3", activatedAt: undefined }]), whole, "only added elsewhere");
  assert.deepEqual(await check([{ kid: "k3", retiredAt: 2 }]), whole, "retired");
  assert.deepEqual(await check([{ kid: "k2", retiredAt: 2 }]), { ...whole, kids: ["k1"], log: ["warn k2"] });
});

Deno.test("checkKeys() refuses a missing, another and a retired active key, by name and without key material", async () => {
  const cases: [Partial<KnownKey>, RegExp][] = [
    [{ kid: "k3" }, /lacks the key "k3" with the fingerprint "0{32}"/],
    [{ kid: "k2", fingerprint: OTHER }, /its key "k2" has the fingerprint "[0-9a-f]{32}", .* use "0{32}"/],
    [{ kid: "k1", retiredAt: 2 }, /its active key "k1" is retired/],
  ];
  for (const [change, message] of cases) {
    await assert.rejects(check([change]), (error: Error & { code?: string }) => {
      assert.equal(error.code, "key_unusable");
      assert.match(error.message, message);
      assert.equal(/AAECAw|ICEiIy|00010203/.test(error.message), false);
      return true;
    });
  }
});
