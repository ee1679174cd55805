import assert from "node:assert/strict";
import { createUpstreamLoads } from "./upstream_load.ts";

function loads(most: number) {
  const state = { nowMs: 0 };
  const circuit: string[] = [];
  const refused: string[] = [];
  const made = createUpstreamLoads({
    maxConcurrent: new Map([["acme", most], ["other", most]]),
    steadyMs: () => state.nowMs,
    onRefused: (code) => refused.push(code),
    onCircuit: (upstream, now) => circuit.push(`${upstream} ${now}`),
  });
  return { made, state, circuit, refused };
}

Deno.test("enter() bounds what waits for an upstream, keeps room for other tenants, and leaves other upstreams alone", () => {
  const { made, refused } = loads(16);
  const got = Array.from({ length: 20 }, () => made.enter("acme", "loud"));
  assert.equal(got.filter((refusal) => refusal === undefined).length, 14);
  assert.equal(got.at(-1)?.code, "upstream_busy");
  assert.equal(made.enter("acme", "quiet"), undefined);
  assert.equal(made.enter("other", "loud"), undefined);
  assert.equal(made.waiting(), 16);
  assert.equal(refused.length, 6);
  made.leave("acme", "loud");
  made.leave("acme", "quiet");
  assert.equal(made.enter("acme", "loud"), undefined);
});

Deno.test("five failures to connect in a row open the circuit; one request at a time then tries, ever more rarely", () => {
  const { made, state, circuit } = loads(100);
  const failures = (count: number) => {
    for (let index = 0; index < count; index++) made.connectFailed("acme");
  };
  failures(4);
  made.answered("acme");
  failures(4);
  assert.equal(made.enter("acme", "t"), undefined, "not in a row");
  failures(1);
  assert.deepEqual(circuit, ["acme open"]);
  assert.deepEqual(made.enter("acme", "t")?.code, "upstream_unavailable");
  assert.equal(made.enter("acme", "t")?.retryAfterSeconds, 1);
  assert.equal(made.enter("other", "t"), undefined);
  const pauses: number[] = [];
  for (let step = 0, sinceMs = 0; step < 600; step++) {
    state.nowMs += 100;
    if (made.enter("acme", "t") !== undefined) continue;
    pauses.push(state.nowMs - sinceMs);
    sinceMs = state.nowMs;
    assert.equal(made.enter("acme", "t")?.code, "upstream_unavailable", "only one tries");
    made.connectFailed("acme");
  }
  assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  state.nowMs += 15_000;
  assert.equal(made.enter("acme", "t"), undefined);
  made.answered("acme");
  assert.deepEqual(circuit, ["acme open", "acme closed"]);
  assert.equal(made.enter("acme", "t"), undefined);
  failures(4);
  assert.equal(made.enter("acme", "t"), undefined, "it counts from nought");
});
