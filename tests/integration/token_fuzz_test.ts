/** The short form of long/token_fuzz_test.ts, always the same 50,000 mutations. */
import assert from "node:assert/strict";
import { fuzzTokens } from "../token_fuzz.ts";
import { FORGERIES, MUTATIONS } from "../token_mutations.ts";

Deno.test("verify() accepts none of 50,000 damaged tokens, with warm caches and without any", async () => {
  const { mutated, originals, names } = await fuzzTokens(20_260_401, 50_000);
  assert.equal(mutated, 50_000);
  assert.ok(originals < mutated / 10, `${originals} mutations changed nothing`);
  assert.deepEqual([...names.keys()].sort(), Object.keys({ ...MUTATIONS, ...FORGERIES }).sort());
});
