import assert from "node:assert/strict";
import { measureDecision } from "../bench/decision_cost.ts";

/** More than twice what it takes on a quiet machine of 2 GHz, so that only what makes every call far dearer is noticed. */
const MAX_MICROS = 700;

Deno.test(`a decision without database and upstream takes less than ${MAX_MICROS} µs of CPU`, async () => {
  const micros = await measureDecision({ rounds: 6, callsPerRound: 1_000 });
  assert.ok(micros < MAX_MICROS, `a decision took ${micros.toFixed(0)} µs`);
});
