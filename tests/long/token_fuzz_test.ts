/** A million damaged tokens; `INTENTGATE_FUZZ_SEED` runs one failure again. The seeded short form is in integration/. */
import assert from "node:assert/strict";
import { fuzzTokens } from "../token_fuzz.ts";
import { FORGERIES, MUTATIONS } from "../token_mutations.ts";

const COUNT = 1_000_000;

Deno.test("verify() accepts none of a million damaged tokens, with warm caches and without any", async () => {
  const seed = Number(Deno.env.get("INTENTGATE_FUZZ_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
  console.log(`seed ${seed}`);
  const { mutated, originals, names } = await fuzzTokens(seed, COUNT);
  console.log(`${mutated} mutations, ${originals} of them gave an original again`);
  assert.equal(mutated, COUNT);
  assert.deepEqual([...names.keys()].sort(), Object.keys({ ...MUTATIONS, ...FORGERIES }).sort());
});
