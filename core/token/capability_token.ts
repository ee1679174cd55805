/** A token whose tag has verified, read into what the capability check evaluates on every call. */
import type { Principal } from "../call.ts";
import { decodeBlock, type LaterBlock, parseLaterBlock, parseRootBlock, type RootBlock } from "./block.ts";
import type { RestrictionName, Restrictions } from "./restrictions.ts";
import { blockIdsOf, type TokenText } from "./text.ts";
import { TokenError } from "./token_error.ts";

/** A token ready to be evaluated. */
export interface CapabilityToken {
  readonly root: RootBlock;
  /** Restrictions of every block, root first; all hold at once. */
  readonly blocks: readonly Restrictions[];
  readonly principal: Principal;
  /** Names of all restrictions in it, without repetition. */
  readonly restrictionNames: readonly RestrictionName[];
  /** Latest `nbf` over all blocks. */
  readonly notBefore: number;
  /** Why the token is refused although its tag is right: a later block is malformed. */
  readonly flaw: string | undefined;
}

/**
 * Reads all blocks; call it only after the tag has verified. Throws `TokenError` when block 0 is malformed. A malformed
 * later block makes the token unusable (`flaw`), but block 0 still says who is to blame.
 */
export function readCapabilityToken(text: TokenText, ids = blockIdsOf(text.blocks)): CapabilityToken {
  const root = parseRootBlock(decodeBlock(text.blocks[0]!));
  const later: LaterBlock[] = [];
  let flaw: string | undefined;
  for (const [index, block] of text.blocks.entries()) {
    if (index === 0) continue;
    try {
      later.push(parseLaterBlock(decodeBlock(block)));
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      flaw = `Block ${index}: ${error.message}`;
      break;
    }
  }
  const blocks = [root.restrictions, ...later.map((block) => block.restrictions)];
  return {
    root,
    blocks,
    principal: {
      tenant: root.tenant,
      agent: root.sub,
      blockIds: ids,
      delegates: later.flatMap((block) => block.delegate ?? []),
      jti: root.jti,
      issuedAt: root.iat,
      expiresAt: Math.min(...blocks.map((block) => block.exp ?? Infinity)),
    },
    restrictionNames: [...new Set(blocks.flatMap((block) => block.names))],
    notBefore: Math.max(...blocks.map((block) => block.nbf ?? 0)),
    flaw,
  };
}
