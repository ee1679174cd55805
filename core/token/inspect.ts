import type { JsonObject } from "../json.ts";
import { decodeBlock } from "./block.ts";
import { blockIdsOf, parseTokenText } from "./text.ts";

/** What a token says about itself. Nothing of it is verified, and the tag is left out because it is a key. */
export interface TokenContent {
  readonly blocks: readonly { readonly id: string; readonly content: JsonObject }[];
}

/** Decodes a token for people to read; throws `TokenError`. Grants nothing: no tag is checked. */
export function inspectToken(text: string): TokenContent {
  const { blocks } = parseTokenText(text);
  const ids = blockIdsOf(blocks);
  return { blocks: blocks.map((block, index) => ({ id: ids[index]!, content: decodeBlock(block) })) };
}
