import assert from "node:assert/strict";
import fc from "fast-check";
import { blockIdsOf, MAX_BLOCKS, parseTokenText } from "./text.ts";
import { TokenError } from "./token_error.ts";

const TAG = "A".repeat(43);

Deno.test("parseTokenText() cuts a token into blocks and tag", () => {
  const { blocks, tag } = parseTokenText(`ig1.e30.e30.${TAG}`);
  assert.deepEqual(blocks, ["e30", "e30"]);
  assert.deepEqual(tag, new Uint8Array(32));
});

Deno.test("parseTokenText() refuses everything that is not canonical", () => {
  const bad: readonly string[] = [
    "",
    "ig1.",
    `ig1.${TAG}`,
    `ig1..${TAG}`,
    `ig2.e30.${TAG}`,
    `IG1.e30.${TAG}`,
    `ig1.e30.${TAG}.`,
    `ig1.e30.${TAG}=`,
    `ig1.e30.${TAG}A`,
    `ig1.e30.${TAG.slice(1)}`,
    `ig1.e30.${TAG.slice(1)}B`,
    `ig1.e31.${TAG}`,
    `ig1.e30=.${TAG}`,
    `ig1.e30\n.${TAG}`,
    ` ig1.e30.${TAG}`,
    `ig1.${"e30.".repeat(MAX_BLOCKS + 1)}${TAG}`,
    `ig1.${"A".repeat(8192)}.${TAG}`,
  ];
  for (const text of bad) assert.throws(() => parseTokenText(text), TokenError, text.slice(0, 80));
  assert.equal(parseTokenText(`ig1.${"e30.".repeat(MAX_BLOCKS)}${TAG}`).blocks.length, MAX_BLOCKS);
});

Deno.test("blockIdsOf() gives every block an id that depends on all blocks before it and on none after it", () => {
  const block = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/);
  fc.assert(fc.property(fc.array(block, { minLength: 1, maxLength: 6 }), block, (blocks, added) => {
    const ids = blockIdsOf(blocks);
    assert.deepEqual(blockIdsOf([...blocks, added]).slice(0, -1), ids);
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.every((id) => /^[A-Za-z0-9_-]{43}$/.test(id)));
    assert.ok(!blockIdsOf([`${blocks[0]}x`, ...blocks.slice(1)]).some((id) => ids.includes(id)));
  }));
});
