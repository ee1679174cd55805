/** The chain of HMACs: every tag is the key of the next one, so whoever holds a token can append but not take away. */
import { timingSafeEqual } from "node:crypto";
import { TOKEN_PREFIX, type TokenText } from "./text.ts";

/** Where in the chain to start: the key that authenticates block `index`. */
export interface ChainStart {
  readonly index: number;
  readonly key: CryptoKey;
}

/** Keys that authenticate the blocks after the start: `keys[i]` belongs to block `start.index + 1 + i`. */
export interface VerifiedChain {
  readonly keys: readonly CryptoKey[];
}

/** Makes bytes a non-extractable HMAC-SHA256 key that can only sign. */
export async function importMacKey(bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/** The tag of one block under the key of its place in the chain. */
export async function macBlock(
  key: CryptoKey,
  index: number,
  block: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const message = new TextEncoder().encode(index === 0 ? TOKEN_PREFIX + block : block);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, message));
}

/**
 * Recomputes the chain from `start` and compares the last tag in constant time; `undefined` when it differs. The keys
 * are signing keys: never let them out, and keep them only because the whole token has verified.
 */
export async function verifyTag(token: TokenText, start: ChainStart): Promise<VerifiedChain | undefined> {
  const keys: CryptoKey[] = [];
  let key = start.key;
  const last = token.blocks.length - 1;
  for (let index = start.index; index < last; index++) {
    key = await importMacKey(await macBlock(key, index, token.blocks[index]!));
    keys.push(key);
  }
  const tag = await macBlock(key, last, token.blocks[last]!);
  return timingSafeEqual(tag, token.tag) ? { keys } : undefined;
}
