import assert from "node:assert/strict";
import { genesisHash, hex, nextHash } from "./digest.ts";
import { EventHasher } from "./event_hasher.ts";
import { leafHash } from "./merkle_tree.ts";

/** Also such as end a block of SHA-256, are longer than the buffer, or need two, three or four bytes for a sign. */
const TEXTS = [
  ...["", "{}", "x".repeat(22), "x".repeat(23), "x".repeat(31), "x".repeat(32), "x".repeat(8_160)],
  ...["x".repeat(8_161), "ü".repeat(4_200), "€".repeat(3_000), "\u{1f600}".repeat(2_500), "\ud800", "\0\n"],
  ...["y", "", "y".repeat(70_000)],
];

Deno.test("EventHasher gives the hashes of nextHash() and leafHash(), in any order", () => {
  const hasher = new EventHasher();
  let before: Uint8Array = genesisHash("log", "acme");
  for (const text of TEXTS) {
    const after = nextHash(before, text);
    assert.equal(hasher.leafHash(text), hex(leafHash(text)));
    assert.equal(hasher.chainHash(hex(before), text), hex(after));
    assert.equal(hasher.leafHash(text), hex(leafHash(text)));
    assert.equal(hasher.chainHash(hex(after), text), hex(nextHash(after, text)));
    before = after;
  }
});

Deno.test("EventHasher takes nothing but 32 bytes in hex for the hash before", () => {
  const hasher = new EventHasher();
  for (const previous of ["", "ab", "zz".repeat(32), "ab".repeat(31), "ab".repeat(33), "abc"]) {
    assert.throws(() => hasher.chainHash(previous, "{}"), previous);
  }
});
