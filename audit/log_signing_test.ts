import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { signCheckpoint } from "./checkpoint.ts";
import type { LogStore, StoredCheckpoint } from "./log_signer.ts";
import { createLogSigning } from "./log_signing.ts";
import { EMPTY_ROOT } from "./merkle_tree.ts";
import { ed25519Signer, formatVerifierKey, parseVerifierKey } from "./signed_note.ts";

Deno.test("signNow() covers every event from before it, also when another signing is under way", async () => {
  const key = generateKeyPairSync("ed25519").privateKey;
  const entries = ["event 1"];
  const checkpoints: StoredCheckpoint[] = [];
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const store: LogStore = {
    chains: () => Promise.resolve(["acme"]),
    head: () => Promise.resolve({ seq: entries.length }),
    latestCheckpoint: () => Promise.resolve(checkpoints.at(-1)),
    entries: async (_, from, to) => {
      await held;
      return entries.slice(from, to);
    },
    ...{ addTiles: () => Promise.resolve(), fullTile: () => Promise.resolve(undefined) },
    tileRoots: () => Promise.resolve([]),
    addCheckpoint(_, checkpoint) {
      checkpoints.push({ ...checkpoint, signedAt: 0 });
      return Promise.resolve(true);
    },
  };
  const signing = createLogSigning({
    signer: {
      ...{ store, secondPlace: { read: () => Promise.resolve(undefined), write: () => Promise.resolve() } },
      ...{ logOrigin: "gateway.example", signersOf: (origin) => [ed25519Signer(origin, key)] },
      verifiersOf: () => [],
    },
    source: { logId: "log", version: "0", replicaId: "r1", configDigest: "c" },
    ...{ intervalMs: 1_000, heartbeatMs: 1_000, nowMs: () => 0, newId: () => "id", settingsVersion: () => 0 },
    ...{
      append: () => Promise.resolve(),
      onSigned: () => {},
      onRefused: () => {},
      onDoubted: () => {},
      onError: assert.ifError,
    },
  });
  const earlier = signing.signNow("acme");
  await new Promise((resolve) => setTimeout(resolve, 10)); // it has read how many events there are
  entries.push("event 2");
  const later = signing.signNow("acme");
  release();
  assert.equal((await earlier).kind, "signed");
  assert.equal((await later).kind, "signed");
  assert.deepEqual(checkpoints.map(({ size }) => size), [1, 2]);
});

/** Two chains without events, each with a checkpoint that another replica has signed; `made` appears later. Rounds follow each other at once. */
function idleChains(heartbeatMs: number, signedAs = "gateway.example", made?: string) {
  const key = generateKeyPairSync("ed25519").privateKey;
  const verifiersOf = (origin: string) => [parseVerifierKey(formatVerifierKey(origin, key))];
  const checkpoint = (chain: string): StoredCheckpoint => {
    const origin = `${signedAs}/${chain}`;
    const note = signCheckpoint({ origin, size: 0, root: EMPTY_ROOT }, [ed25519Signer(origin, key)]);
    return { size: 0, root: EMPTY_ROOT, note, signedAt: 0 };
  };
  const state = {
    places: new Map<string, string>(),
    told: [] as unknown[],
    beats: [] as string[],
    rounds: 0,
  };
  const store = {
    chains: () => {
      state.rounds++;
      return Promise.resolve(["acme", "globex", ...(made !== undefined && state.rounds > 1 ? [made] : [])]);
    },
    head: () => Promise.resolve({ seq: 0 }),
    latestCheckpoint: (chain: string) => Promise.resolve(checkpoint(chain)),
  } as unknown as LogStore;
  const signing = createLogSigning({
    signer: {
      store,
      secondPlace: {
        read: (origin) => Promise.resolve(state.places.get(origin)),
        write: (origin, note) => Promise.resolve(void state.places.set(origin, note)),
      },
      ...{ logOrigin: "gateway.example", signersOf: () => [], verifiersOf },
    },
    source: { logId: "log", version: "0", replicaId: "r1", configDigest: "c" },
    ...{ intervalMs: 1, heartbeatMs, nowMs: () => 1, newId: () => "id", settingsVersion: () => 0 },
    append: ({ chain }) => Promise.resolve(void state.beats.push(chain)),
    ...{ onSigned: () => {}, onRefused: assert.ifError, onError: assert.ifError },
    onDoubted: (...doubt) => state.told.push(doubt),
  });
  const run = async () => {
    signing.start();
    while (state.rounds < 4) await new Promise((resolve) => setTimeout(resolve, 2));
    await signing.close();
  };
  return { state, run };
}

Deno.test("createLogSigning() tells once, for all chains together, that the second place of this replica is new", async () => {
  const { state, run } = idleChains(1_000);
  await run();
  assert.deepEqual(state.told, [["second_place_empty", ["acme", "globex"]]]);
  assert.deepEqual([state.places.size, state.beats], [2, []]);
});

Deno.test("createLogSigning() says nothing of a chain that was made later and that another replica signed first", async () => {
  const { state, run } = idleChains(1_000, "gateway.example", "initech");
  await run();
  assert.deepEqual(state.told, [["second_place_empty", ["acme", "globex"]]]);
  assert.ok(state.places.has("gateway.example/initech"));
});

Deno.test("createLogSigning() records a heartbeat after silence, and at once under a new name of the log", async () => {
  for (const { state, run } of [idleChains(0), idleChains(1_000, "old.example")]) {
    await run();
    assert.deepEqual(state.beats.slice(0, 4), ["acme", "globex", "acme", "globex"]);
  }
});
