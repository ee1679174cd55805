import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import type { LogStore, StoredCheckpoint } from "./log_signer.ts";
import { createLogSigning } from "./log_signing.ts";
import { ed25519Signer } from "./signed_note.ts";

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
    ...{ append: () => Promise.resolve(), onSigned: () => {}, onRefused: () => {}, onError: assert.ifError },
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
