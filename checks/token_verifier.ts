/** From the text of a token to what it grants: HMAC behind two bounded caches, which hold only what has verified. */
import { createHash } from "node:crypto";
import { decodeBlock } from "../core/token/block.ts";
import { type CapabilityToken, readCapabilityToken } from "../core/token/capability_token.ts";
import { isKid } from "../core/key_ring.ts";
import { type ChainStart, verifyTag } from "../core/token/mac.ts";
import { blockIdsOf, MAX_TOKEN_BYTES, parseTokenText, type TokenText } from "../core/token/text.ts";
import { TokenError } from "../core/token/token_error.ts";
import { type CacheLimits, PerRootCache, TOKEN_CACHE_LIMITS } from "./token_cache.ts";

/** The root key for a key id: a non-extractable HMAC-SHA256 key that may sign. The same object while the key stays. */
export type KeyFor = (kid: string) => CryptoKey | undefined;

/** Verifies tags. Whether the token may be used now is not its question: nothing here depends on the time. */
export interface TokenVerifier {
  /** The token, or `undefined` for every text whose tag does not verify. At once when the text is in the cache. */
  verify(text: string): CapabilityToken | undefined | Promise<CapabilityToken | undefined>;
}

/** A cached value is good only under the root key it was verified with. */
interface UnderKey<Value> {
  readonly rootKey: CryptoKey;
  readonly value: Value;
}

/** A verifier with caches of its own. */
export function createTokenVerifier(
  keyFor: KeyFor,
  limits: CacheLimits = TOKEN_CACHE_LIMITS,
): TokenVerifier {
  const verified = new PerRootCache<UnderKey<CapabilityToken>>(limits);
  // Values are signing keys for everything below that prefix: they never leave this closure.
  const prefixes = new PerRootCache<UnderKey<CryptoKey>>(limits);

  async function verifyText(text: string, digest: string): Promise<CapabilityToken | undefined> {
    const parsed = parseTokenText(text);
    const { kid } = decodeBlock(parsed.blocks[0]!);
    const rootKey = isKid(kid) ? keyFor(kid) : undefined;
    if (rootKey === undefined) return undefined;
    const ids = blockIdsOf(parsed.blocks);
    const start = startOf(parsed, ids, rootKey);
    const chain = await verifyTag(parsed, start);
    if (chain === undefined) return undefined;
    const token = readCapabilityToken(parsed, ids);
    const root = ids[0]!;
    for (const [offset, key] of chain.keys.entries()) {
      prefixes.set(ids[start.index + offset]!, root, { rootKey, value: key });
    }
    verified.set(digest, root, { rootKey, value: token });
    return token;
  }

  /** The longest prefix whose key is known; the root key when none is. */
  function startOf(text: TokenText, ids: readonly string[], rootKey: CryptoKey): ChainStart {
    for (let index = text.blocks.length - 1; index > 0; index--) {
      const prefix = prefixes.get(ids[index - 1]!);
      if (prefix?.rootKey === rootKey) return { index, key: prefix.value };
    }
    return { index: 0, key: rootKey };
  }

  return {
    verify(text) {
      if (text.length > MAX_TOKEN_BYTES) return undefined;
      const digest = createHash("sha256").update(text).digest("hex");
      const cached = verified.get(digest);
      if (cached !== undefined && keyFor(cached.value.root.kid) === cached.rootKey) return cached.value;
      verified.delete(digest);
      return verifyText(text, digest).catch((error) => {
        if (error instanceof TokenError) return undefined;
        throw error;
      });
    },
  };
}
