/**
 * What the gateway gives away, to clients or to the database, and wants back unread and unchanged: AES-256-GCM under a key that all replicas have, so
 * that any of them can open it and none stores it. Each kind of text has a context of its own, and may be bound to
 * something that is not inside.
 */
import type { JsonValue } from "./json.ts";

/** AES-GCM keys, 256 bits, by key id; every replica has the same. */
export interface SealKeys {
  /** Key id under which new texts are sealed. */
  readonly active: string;
  readonly keys: ReadonlyMap<string, CryptoKey>;
}

/** Seals values of one kind. */
export interface Seal {
  /** `prefix kid "." base64url(iv, ciphertext, tag)`. */
  seal(value: unknown, boundTo?: string): Promise<string>;
  /** The value, `undefined` for a text that was not sealed here, for this kind and bound to this. */
  open(text: string, boundTo?: string): Promise<JsonValue | undefined>;
}

export interface SealOptions {
  readonly keys: SealKeys;
  /** What the texts begin with, for example `igs1.`. */
  readonly prefix: string;
  /** Name of the kind; goes into the authenticated data. */
  readonly context: string;
  /** Longer texts are not looked at. */
  readonly maxLength: number;
  readonly randomBytes: (length: number) => Uint8Array;
}

const IV_BYTES = 12;

/** Makes the seal of one kind of text; throws `RangeError` without the active key. */
export function createSeal(options: SealOptions): Seal {
  const { keys: { active, keys }, prefix, context, maxLength, randomBytes } = options;
  const sealing = keys.get(active);
  if (sealing === undefined) throw new RangeError(`Expected a key "${active}" to seal with`);
  const encoder = new TextEncoder();
  // Contexts hold no U+0000, so no binding can look like another kind's context.
  const boundData = (boundTo: string) => encoder.encode(boundTo === "" ? context : `${context}\0${boundTo}`);
  return {
    async seal(value, boundTo = "") {
      const iv = new Uint8Array(randomBytes(IV_BYTES));
      const algorithm = { name: "AES-GCM", iv, additionalData: boundData(boundTo) };
      const sealed = await crypto.subtle.encrypt(algorithm, sealing, encoder.encode(JSON.stringify(value)));
      const blob = new Uint8Array(IV_BYTES + sealed.byteLength);
      blob.set(iv);
      blob.set(new Uint8Array(sealed), IV_BYTES);
      return `${prefix}${active}.${blob.toBase64({ alphabet: "base64url", omitPadding: true })}`;
    },
    async open(text, boundTo = "") {
      if (text.length > maxLength || !text.startsWith(prefix)) return undefined;
      const [kid = "", sealed = ""] = text.slice(prefix.length).split(".", 2);
      const key = keys.get(kid);
      if (key === undefined || text.length !== prefix.length + kid.length + 1 + sealed.length) {
        return undefined;
      }
      try {
        const blob = Uint8Array.fromBase64(sealed, { alphabet: "base64url" });
        const algorithm = {
          ...{ name: "AES-GCM", iv: blob.subarray(0, IV_BYTES), additionalData: boundData(boundTo) },
        };
        const plain = await crypto.subtle.decrypt(algorithm, key, blob.subarray(IV_BYTES));
        return JSON.parse(new TextDecoder().decode(plain));
      } catch {
        return undefined;
      }
    },
  };
}
