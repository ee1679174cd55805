/** Changes of a key ring, and the fingerprints by which replicas compare theirs. */
import { GatewayError } from "./errors.ts";
import { derive, formatKeyRing, generateKeyRing, isKid, type KeyRing, parseKeyRing } from "./key_ring.ts";

const FINGERPRINT_BYTES = 16;

/** 32 hex digits that tell keys apart and say nothing about them; the same bytes under another id have another one. */
export async function fingerprintOf(ring: KeyRing, kid: string): Promise<string> {
  const derived = await derive(ring, kid, "fingerprint");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", derived));
  return [...digest.subarray(0, FINGERPRINT_BYTES)].map((byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}

/** The fingerprints of all keys of a ring by key id. */
export async function fingerprintsOf(ring: KeyRing): Promise<ReadonlyMap<string, string>> {
  const fingerprints = new Map<string, string>();
  for (const kid of ring.keys.keys()) fingerprints.set(kid, await fingerprintOf(ring, kid));
  return fingerprints;
}

/** The ring with one fresh key more; the active one stays. */
export function addKey(ring: KeyRing, kid: string, randomBytes: (length: number) => Uint8Array): KeyRing {
  if (!isKid(kid)) throw unusable(`"${kid}" is no key id`);
  if (ring.keys.has(kid)) throw unusable(`it has a key "${kid}" already`);
  const added = { ...ring, keys: new Map([...ring.keys, ...generateKeyRing(randomBytes, kid).keys]) };
  return parseKeyRing(formatKeyRing(added)); // holds the limits that a reader would hold
}

/** The ring with another active key. */
export function activateKey(ring: KeyRing, kid: string): KeyRing {
  if (!ring.keys.has(kid)) throw unusable(`it has no key "${kid}"`);
  return { ...ring, active: kid };
}

/** The ring without some keys, of which none is the active one. */
export function withoutKeys(ring: KeyRing, kids: ReadonlySet<string>): KeyRing {
  if (kids.has(ring.active)) {
    throw unusable(`its active key "${ring.active}" is retired; activate another one`);
  }
  return { ...ring, keys: new Map([...ring.keys].filter(([kid]) => !kids.has(kid))) };
}

function unusable(problem: string): GatewayError {
  return new GatewayError("key_unusable", `Cannot use the key ring: ${problem}`);
}
