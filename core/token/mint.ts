import { encodeBase64url } from "../base64url.ts";
import type { JsonObject, JsonValue } from "../json.ts";
import { decodeBlock, encodeBlock, parseRootBlock } from "./block.ts";
import { macBlock } from "./mac.ts";
import { blockIdsOf, MAX_TOKEN_BYTES, TOKEN_PREFIX } from "./text.ts";
import { TokenError } from "./token_error.ts";

const JTI_BYTES = 16;

/** Members of block 0 by their wire names, without `jti`; restrictions beyond the mandatory ones as the token has them. */
export interface RootFields {
  readonly kid: string;
  readonly iss: string;
  readonly aud: string;
  readonly tenant: string;
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
  readonly upstreams: readonly string[];
  readonly tools: readonly string[];
  readonly [restriction: string]: JsonValue | undefined;
}

/** A fresh token and what to remember about it; the text is a secret. */
export interface MintedToken {
  readonly token: string;
  readonly jti: string;
  readonly rootBlockId: string;
  readonly expiresAt: number;
}

/**
 * Makes a token of one block. `key` is derived for purpose `token` under `fields.kid`; `jti` is 16 fresh random bytes.
 * Throws `TokenError` for fields that verification would refuse. The caller enforces the maximum lifetime.
 */
export async function mintToken(fields: RootFields, key: CryptoKey, jti: Uint8Array): Promise<MintedToken> {
  if (jti.length !== JTI_BYTES) {
    throw new RangeError(`Expected ${JTI_BYTES} random bytes for jti, got ${jti.length}`);
  }
  if (fields.jti !== undefined) throw new TokenError('"jti" is made by the gateway');
  const { kid, ...rest } = fields;
  const object: JsonObject = { kid, jti: encodeBase64url(jti), ...rest };
  const block = encodeBlock(object);
  const root = parseRootBlock(decodeBlock(block));
  const token = `${TOKEN_PREFIX}${block}.${encodeBase64url(await macBlock(key, 0, block))}`;
  if (token.length > MAX_TOKEN_BYTES) {
    throw new TokenError(
      `The token would have ${token.length} bytes, at most ${MAX_TOKEN_BYTES} are allowed`,
    );
  }
  return { token, jti: root.jti, rootBlockId: blockIdsOf([block])[0]!, expiresAt: root.exp };
}
