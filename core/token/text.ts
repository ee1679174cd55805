/** The text of a token: `ig1.<block0>…<blockN>.<tag>`, and the ids of its blocks. No key is needed here. */
import { createHash } from "node:crypto";
import { decodeBase64url } from "../base64url.ts";
import { TokenError } from "./token_error.ts";

export const TOKEN_PREFIX = "ig1.";
export const MAX_BLOCKS = 16;
export const MAX_TOKEN_BYTES = 8192;
const TAG_BYTES = 32;
const BLOCK_ID_LABEL = "ig1-id\0";

/** A token cut into its parts; nothing in it is verified. */
export interface TokenText {
  /** Base64url texts of the blocks, as sent; at least one. */
  readonly blocks: readonly string[];
  readonly tag: Uint8Array<ArrayBuffer>;
}

/** Cuts a token into blocks and tag; throws `TokenError`. */
export function parseTokenText(text: string): TokenText {
  if (text.length > MAX_TOKEN_BYTES) throw new TokenError(`A token has at most ${MAX_TOKEN_BYTES} bytes`);
  if (!text.startsWith(TOKEN_PREFIX)) throw new TokenError(`A token starts with "${TOKEN_PREFIX}"`);
  const parts = text.slice(TOKEN_PREFIX.length).split(".");
  const blocks = parts.slice(0, -1);
  if (blocks.length === 0) throw new TokenError("A token has at least one block and a tag");
  if (blocks.length > MAX_BLOCKS) {
    throw new TokenError(`A token has at most ${MAX_BLOCKS} blocks, got ${blocks.length}`);
  }
  const tag = decodeBase64url(parts.at(-1)!);
  if (tag?.length !== TAG_BYTES) {
    throw new TokenError(`The tag is not ${TAG_BYTES} bytes in canonical base64url`);
  }
  for (const [index, block] of blocks.entries()) {
    if (block === "" || decodeBase64url(block) === undefined) {
      throw new TokenError(`Block ${index} is not canonical base64url`);
    }
  }
  return { blocks, tag };
}

/** The ids of all blocks, root first. Nobody chooses an id: it is a hash of the token up to the end of its block. */
export function blockIdsOf(blocks: readonly string[]): readonly string[] {
  const hash = createHash("sha256").update(BLOCK_ID_LABEL).update("ig1");
  return blocks.map((block) => hash.update(`.${block}`).copy().digest("base64url"));
}
