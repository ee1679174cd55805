import assert from "node:assert/strict";
import type { CheckpointPlace, PlacedCheckpoint, PushResult } from "./place.ts";
import { PlaceError } from "./place.ts";
import { createPlacePusher, type PushClaim, type PushOutcome, type PushStore } from "./place_pusher.ts";
import { smallLog } from "./places_fixture.ts";

const log = smallLog();
type Push = (checkpoint: PlacedCheckpoint, heldSize: number, signal: AbortSignal) => Promise<PushResult>;

/** Everything that is told to the store, in order; `due` is claimed by the next look. */
function setUp(push: Push, { latest = 9, random = 0 } = {}) {
  const state = { due: [] as PushClaim[], latest, claims: 0, told: [] as unknown[], errors: [] as unknown[] };
  const outcomes: PushOutcome[] = [];
  const store: PushStore = {
    now: () => Promise.resolve(1_000),
    claim(order) {
      state.claims++;
      assert.equal(order.askSince, 1_000);
      return Promise.resolve(state.due.splice(0, order.most));
    },
    taken: (...told) => Promise.resolve(void state.told.push(["taken", ...told])),
    failed: (place, chain, { error, retrySeconds, conflict }) =>
      Promise.resolve(
        void state.told.push(["failed", place, chain, error, retrySeconds, ...(conflict ? [conflict] : [])]),
      ),
    latestCheckpoint: () => {
      const { size, root, note } = log.checkpoint(state.latest);
      return Promise.resolve({ size, root, note, signedAt: 0 });
    },
    addCosignature: (...told) => Promise.resolve(void state.told.push(["cosignature", ...told])),
  };
  const place: CheckpointPlace = { name: "p", type: "witness", intervalSeconds: 1, push };
  const pusher = createPlacePusher({
    ...{ place, store, replicaId: "r", logOrigin: "gateway.example", random: () => random },
    onOutcome: (outcome) => outcomes.push(outcome),
    onError: (error) => state.errors.push(error),
  });
  return { state, outcomes, pusher };
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !holds(); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.ok(holds());
}

const claim = (change: Partial<PushClaim> = {}): PushClaim => ({
  ...{ chain: "default", heldSize: undefined, failures: 0, ...change },
});

Deno.test("a claimed chain's newest checkpoint is pushed, its cosignature kept before it counts as pushed", async () => {
  const pushed: [number, number][] = [];
  const cosignature = { witness: "w+1", line: "line\n" };
  const { state, outcomes, pusher } = setUp((checkpoint, heldSize) => {
    pushed.push([checkpoint.size, heldSize]);
    return Promise.resolve({ kind: "taken", cosignature });
  });
  state.due.push(claim({ heldSize: 4, failures: 2 }));
  pusher.start();
  await until(() => outcomes.length === 1);
  await pusher.close();
  assert.deepEqual(pushed, [[9, 4]]);
  assert.deepEqual(state.told, [["cosignature", "default", 9, "w+1", "line\n"], [
    "taken",
    "p",
    "default",
    9,
  ]]);
  assert.deepEqual(outcomes, [{ kind: "taken", chain: "default", size: 9, failuresBefore: 2 }]);
});

Deno.test("after a failure the chain rests for ever longer, and other chains go on", async () => {
  const { state, outcomes, pusher } = setUp((checkpoint) =>
    checkpoint.chain === "bad"
      ? Promise.reject(new PlaceError("It answered 404"))
      : Promise.resolve({ kind: "taken" })
  );
  state.due.push(claim({ chain: "bad", failures: 3 }), claim());
  pusher.start();
  await until(() => outcomes.length === 2);
  state.due.push(claim());
  pusher.wake();
  await until(() => outcomes.length === 3);
  await pusher.close();
  assert.deepEqual(state.told[0], ["failed", "p", "bad", "It answered 404", 8]);
  assert.deepEqual(outcomes[0], { kind: "failed", chain: "bad", error: "It answered 404", failures: 4 });
});

Deno.test("a place that is down is left alone, whoever signs meanwhile", async () => {
  const { state, outcomes, pusher } = setUp(() => Promise.reject(new PlaceError("Cannot reach it", true)));
  for (let at = 0; at < 9; at++) state.due.push(claim({ chain: `c${at}` }));
  pusher.start();
  await until(() => outcomes.length === 4);
  pusher.wake();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual([state.claims, outcomes.length], [1, 4], "four at once, then a pause");
  await pusher.close();
});

Deno.test("a place that holds more is a conflict unless another replica signed meanwhile", async () => {
  const ahead: PushResult = { kind: "conflict", code: "rolled_back", size: 20 };
  const { state, outcomes, pusher } = setUp(() => Promise.resolve(ahead));
  state.due.push(claim());
  pusher.start();
  await until(() => outcomes.length === 1);
  state.due.push(claim({ failures: 1 }));
  pusher.wake();
  await until(() => outcomes.length === 2);
  state.latest = 20;
  state.due.push(claim());
  pusher.wake();
  await until(() => outcomes.length === 3);
  await pusher.close();
  const conflict = { code: "rolled_back", size: 20 };
  const text = "It holds 20 events of this log, which has fewer now";
  assert.deepEqual(state.told[0], ["failed", "p", "default", text, 1, conflict]);
  assert.deepEqual(outcomes.slice(0, 2).map((one) => one.kind === "conflict" && one.isNew), [true, false]);
  assert.equal(outcomes[2]?.kind, "failed");
  assert.equal((state.told[2] as unknown[]).length, 5, "no conflict is told");
});

Deno.test("closing ends a push that is under way, and lets the next process have its chain at once", async () => {
  const { state, outcomes, pusher } = setUp((_, __, signal) =>
    new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(new PlaceError("aborted", true)))
    )
  );
  state.due.push(claim());
  pusher.start();
  await until(() => state.claims === 1);
  await pusher.close();
  assert.deepEqual(state.told, [["failed", "p", "default", "The gateway was stopped", 0]]);
  assert.deepEqual(outcomes, []);
});

Deno.test("a database that does not answer is told and tried again", async () => {
  const { state, pusher } = setUp(() => Promise.reject(new TypeError("the database is away")));
  state.due.push(claim());
  pusher.start();
  await until(() => state.errors.length === 1);
  assert.match(String(state.errors[0]), /is away/);
  await pusher.close();
});
