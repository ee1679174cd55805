/** Kept answers may hold tokens, so they are stored as AES-256-GCM blobs that only the gateway can read. */
import type { KeyedRequest } from "./idempotency.ts";

/** AES-GCM keys, 256 bits, by key id; every replica has the same. */
export interface AnswerKeys {
  /** Key id under which new answers are sealed. */
  readonly active: string;
  readonly keys: ReadonlyMap<string, CryptoKey>;
}

/** Seals answers for the request that they answer. */
export interface AnswerSeal {
  seal(answer: string, request: KeyedRequest): Promise<string>;
  /** `undefined` when the key is gone or the blob belongs to another request. */
  open(sealed: string, request: KeyedRequest): Promise<string | undefined>;
}

const PREFIX = "igi1.";
const IV_BYTES = 12;

/** Seals under the active key and opens under any. A blob opens only for the operator, key and request it was made for. */
export function createAnswerSeal(
  { active, keys }: AnswerKeys,
  randomBytes: (length: number) => Uint8Array,
): AnswerSeal {
  const sealing = keys.get(active);
  if (sealing === undefined) throw new RangeError(`Expected a key "${active}" for answers`);
  return {
    seal: async (answer, request) => {
      const iv = new Uint8Array(randomBytes(IV_BYTES));
      const algorithm = { name: "AES-GCM", iv, additionalData: bound(request) };
      const sealed = await crypto.subtle.encrypt(algorithm, sealing, new TextEncoder().encode(answer));
      const blob = new Uint8Array(IV_BYTES + sealed.byteLength);
      blob.set(iv);
      blob.set(new Uint8Array(sealed), IV_BYTES);
      return `${PREFIX}${active}.${blob.toBase64({ alphabet: "base64url", omitPadding: true })}`;
    },
    open: async (text, request) => {
      const [, kid = "", sealed = ""] = /^igi1\.([^.]+)\.([^.]+)$/.exec(text) ?? [];
      const key = keys.get(kid);
      if (key === undefined) return undefined;
      try {
        const blob = Uint8Array.fromBase64(sealed, { alphabet: "base64url" });
        const algorithm = {
          name: "AES-GCM",
          iv: blob.subarray(0, IV_BYTES),
          additionalData: bound(request),
        };
        const answer = await crypto.subtle.decrypt(algorithm, key, blob.subarray(IV_BYTES));
        return new TextDecoder().decode(answer);
      } catch {
        return undefined;
      }
    },
  };
}

/** JSON of a list of texts: no two lists give the same bytes. */
function bound({ operator, key, requestSha256 }: KeyedRequest): Uint8Array<ArrayBuffer> {
  const parts = ["intentgate-idempotency-v1", operator, key, requestSha256.toHex()];
  return new TextEncoder().encode(JSON.stringify(parts));
}
