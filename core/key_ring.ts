/** The master keys and everything derived from them; `docs/reference/keys.md` is the same in words. */
import { decodeBase64url, encodeBase64url } from "./base64url.ts";
import { GatewayError } from "./errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";
import type { SealKeys } from "./sealing.ts";
import { parseStrictJson, StrictJsonError } from "./strict_json.ts";

const MASTER_KEY_BYTES = 32;
const MAX_KEYS = 64;
const KID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;
const INFO_LABEL = "intentgate-key-v1";

/** What derived keys are for; one key never serves two purposes. */
export const KEY_PURPOSES = ["token", "session", "idempotency", "late_records", "fingerprint"] as const;
export type KeyPurpose = typeof KEY_PURPOSES[number];

/** Master keys by key id; new tokens are made under the active one, all of them verify. */
export interface KeyRing {
  readonly active: string;
  readonly keys: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** True for a well-formed key id. */
export function isKid(value: unknown): value is string {
  return typeof value === "string" && KID_PATTERN.test(value);
}

/** Reads a key ring file. Errors never quote the text, because any part of it may be a key. */
export function parseKeyRing(text: string): KeyRing {
  const file = readObject(text);
  for (const name of Object.keys(file)) {
    if (name !== "active" && name !== "keys") throw unusable('expected only the members "active" and "keys"');
  }
  if (!isKid(file.active)) throw unusable('"active" must be a key id like "k1"');
  const keys = readKeys(file.keys);
  if (!keys.has(file.active)) throw unusable('"keys" has no key under the id that "active" names');
  return { active: file.active, keys };
}

function readObject(text: string): JsonObject {
  let value: JsonValue;
  try {
    value = parseStrictJson(text, { maxDepth: 4 });
  } catch (error) {
    // The parser's own message may quote what it read; only where it stopped is safe to repeat.
    const where = error instanceof StrictJsonError ? ` at offset ${error.offset}` : "";
    throw unusable(`not valid JSON${where}`);
  }
  if (!isJsonObject(value)) throw unusable("expected a JSON object");
  return value;
}

function readKeys(value: JsonValue | undefined): Map<string, Uint8Array<ArrayBuffer>> {
  if (!isJsonObject(value)) throw unusable('"keys" must be an object of base64url keys by key id');
  const entries = Object.entries(value);
  if (entries.length > MAX_KEYS) {
    throw unusable(`"keys" holds ${entries.length} keys, at most ${MAX_KEYS} fit`);
  }
  const keys = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const [index, [kid, encoded]] of entries.entries()) {
    if (!isKid(kid)) throw unusable(`key ${index + 1}: a key id matches ${KID_PATTERN.source}`);
    const bytes = typeof encoded === "string" ? decodeBase64url(encoded) : undefined;
    if (bytes?.length !== MASTER_KEY_BYTES) {
      throw unusable(`key ${index + 1}: expected ${MASTER_KEY_BYTES} bytes in base64url without padding`);
    }
    if (bytes.every((byte) => byte === bytes[0])) throw unusable(`key ${index + 1}: all bytes are the same`);
    keys.set(kid, bytes);
  }
  return keys;
}

function unusable(problem: string): GatewayError {
  return new GatewayError("key_unusable", `Cannot use the key ring: ${problem}`);
}

/** The text of a key ring file. It is secret: write it with mode 0600 and never to a log. */
export function formatKeyRing(ring: KeyRing): string {
  const keys = Object.fromEntries([...ring.keys].map(([kid, bytes]) => [kid, encodeBase64url(bytes)]));
  return `${JSON.stringify({ active: ring.active, keys }, null, 2)}\n`;
}

/** A ring with one fresh key. */
export function generateKeyRing(randomBytes: (length: number) => Uint8Array, kid = "k1"): KeyRing {
  if (!isKid(kid)) throw new RangeError(`Expected a key id that matches ${KID_PATTERN.source}`);
  const bytes = new Uint8Array(randomBytes(MASTER_KEY_BYTES));
  if (bytes.length !== MASTER_KEY_BYTES) {
    throw new RangeError(`Expected ${MASTER_KEY_BYTES} random bytes, got ${bytes.length}`);
  }
  return { active: kid, keys: new Map([[kid, bytes]]) };
}

/** Derives 32 bytes for one purpose by HKDF-SHA256 with length-prefixed info. */
export async function derive(
  ring: KeyRing,
  kid: string,
  purpose: KeyPurpose,
  context = "",
): Promise<Uint8Array<ArrayBuffer>> {
  const master = ring.keys.get(kid);
  if (master === undefined) throw new GatewayError("key_unusable", `The key ring has no key "${kid}"`);
  if (!KEY_PURPOSES.includes(purpose)) throw new RangeError(`Unknown key purpose "${purpose}"`);
  const key = await crypto.subtle.importKey("raw", master, "HKDF", false, ["deriveBits"]);
  const info = lengthPrefixed([INFO_LABEL, purpose, kid, context]);
  const salt = new Uint8Array(0);
  return new Uint8Array(
    await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, 256),
  );
}

/** The same 32 bytes as a non-extractable HMAC-SHA256 key that can only sign. */
export async function deriveHmacKey(
  ring: KeyRing,
  kid: string,
  purpose: KeyPurpose,
  context = "",
): Promise<CryptoKey> {
  const bytes = await derive(ring, kid, purpose, context);
  return await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/** The same for every key of the ring, as keys that can only seal and open: a text survives the activation of another key. */
export async function deriveSealKeys(ring: KeyRing, purpose: KeyPurpose): Promise<SealKeys> {
  const keys = new Map<string, CryptoKey>();
  for (const kid of ring.keys.keys()) {
    const bytes = await derive(ring, kid, purpose);
    keys.set(kid, await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]));
  }
  return { active: ring.active, keys };
}

/** Every part behind its length, so that no two lists of parts give the same bytes. */
function lengthPrefixed(parts: readonly string[]): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const encoded = parts.map((part) => encoder.encode(part));
  const info = new Uint8Array(encoded.reduce((sum, bytes) => sum + 4 + bytes.length, 0));
  const view = new DataView(info.buffer);
  let at = 0;
  for (const bytes of encoded) {
    view.setUint32(at, bytes.length);
    info.set(bytes, at + 4);
    at += 4 + bytes.length;
  }
  return info;
}
