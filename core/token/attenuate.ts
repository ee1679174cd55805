import { encodeBase64url } from "../base64url.ts";
import type { JsonObject } from "../json.ts";
import { decodeBlock, encodeBlock, parseLaterBlock } from "./block.ts";
import { importMacKey, macBlock } from "./mac.ts";
import { MAX_BLOCKS, MAX_TOKEN_BYTES, parseTokenText, TOKEN_PREFIX } from "./text.ts";
import { TokenError } from "./token_error.ts";

/**
 * Appends a block to a token: `tag(i) = HMAC(tag(i-1), block(i))`, so it needs the token and no key. Throws
 * `TokenError` when the text is no token, the block no attenuation, or a limit would be passed.
 */
export async function attenuateToken(text: string, block: JsonObject): Promise<string> {
  const { blocks, tag } = parseTokenText(text);
  if (blocks.length >= MAX_BLOCKS) throw new TokenError(`The token already has ${MAX_BLOCKS} blocks`);
  const added = encodeBlock(block);
  parseLaterBlock(decodeBlock(added));
  const newTag = await macBlock(await importMacKey(tag), blocks.length, added);
  const child = `${TOKEN_PREFIX}${[...blocks, added].join(".")}.${encodeBase64url(newTag)}`;
  if (child.length > MAX_TOKEN_BYTES) {
    throw new TokenError(
      `The token would have ${child.length} bytes, at most ${MAX_TOKEN_BYTES} are allowed`,
    );
  }
  return child;
}
