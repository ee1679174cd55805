import assert from "node:assert/strict";
import { concatBytes } from "./bytes.ts";

Deno.test("concatBytes() keeps the order of the parts, empty ones included", () => {
  const parts = [[1, 2], [], [3]].map((part) => Uint8Array.from(part));
  assert.deepEqual(concatBytes(parts), Uint8Array.of(1, 2, 3));
  assert.deepEqual(concatBytes([]), new Uint8Array());
});
