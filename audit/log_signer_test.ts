import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { openCheckpoint } from "./checkpoint.ts";
import { type LogSignerOptions, type LogStore, signChain, type StoredCheckpoint } from "./log_signer.ts";
import { LeafRun } from "./merkle_range.ts";
import { equal, leafHash } from "./merkle_tree.ts";
import { ed25519Signer, formatVerifierKey, parseVerifierKey } from "./signed_note.ts";
import type { FullTile } from "./tiles.ts";

interface Log {
  entries: string[];
  tiles: Map<string, FullTile>;
  checkpoints: StoredCheckpoint[];
}

function storeOf(log: Log): LogStore {
  return {
    chains: () => Promise.resolve(["acme"]),
    head: () => Promise.resolve({ seq: log.entries.length }),
    fullTile: (_, level, index) => Promise.resolve(log.tiles.get(`${level}/${index}`)?.hashes),
    tileRoots: (_, level, from, to) => {
      const found = Array.from(
        { length: to - from },
        (_, at) => log.tiles.get(`${level}/${from + at}`)?.root,
      );
      return Promise.resolve(found.filter((root) => root !== undefined));
    },
    entries: (_, from, to) => Promise.resolve(log.entries.slice(from, to)),
    latestCheckpoint: () => Promise.resolve(log.checkpoints.at(-1)),
    addTiles(_, tiles) {
      for (const tile of tiles) log.tiles.set(`${tile.level}/${tile.index}`, tile);
      return Promise.resolve();
    },
    addCheckpoint(_, { baseSize, size, root, note }) {
      const isNext = (log.checkpoints.at(-1)?.size ?? 0) === baseSize;
      if (isNext) log.checkpoints.push({ size, root, note, signedAt: 0 });
      return Promise.resolve(isNext);
    },
  };
}

function copyOf(log: Log): Log {
  return {
    entries: [...log.entries],
    tiles: new Map(log.tiles),
    checkpoints: [...log.checkpoints],
  };
}

function signerOf(keys: readonly KeyObject[]) {
  const places = new Map<string, string>();
  const options = (log: Log): LogSignerOptions => ({
    store: storeOf(log),
    secondPlace: {
      read: (origin: string) => Promise.resolve(places.get(origin)),
      write: (origin: string, note: string) => Promise.resolve(void places.set(origin, note)),
    },
    logOrigin: "gateway.example",
    signersOf: (origin) => keys.map((key) => ed25519Signer(origin, key)),
    verifiersOf: (origin) => keys.map((key) => parseVerifierKey(formatVerifierKey(origin, key))),
  });
  return { places, options, sign: (log: Log) => signChain(options(log), "acme", log.checkpoints.at(-1)) };
}

function logOf(size: number): Log {
  return {
    entries: Array.from({ length: size }, (_, at) => `event ${at}`),
    tiles: new Map(),
    checkpoints: [],
  };
}

function grow(log: Log, count: number, word = "event"): void {
  for (let at = 0; at < count; at++) log.entries.push(`${word} ${log.entries.length}`);
}

const ORIGIN = "gateway.example/acme";

const newKey = () => generateKeyPairSync("ed25519").privateKey;

function rootOf(entries: readonly string[]): Uint8Array {
  const run = new LeafRun(0);
  for (const entry of entries) run.push(leafHash(entry));
  return run.root();
}

Deno.test("signChain() signs size and root of every event so far, in both places", async () => {
  const key = newKey();
  const signer = signerOf([key]);
  const log = logOf(0);
  for (const more of [0, 3, 700, 1, 1_500]) {
    grow(log, more);
    const result = await signer.sign(log);
    assert.equal(result.kind, "signed");
    const note = log.checkpoints.at(-1)!.note;
    assert.equal(signer.places.get("gateway.example/acme"), note);
    const origin = "gateway.example/acme";
    const keys = [parseVerifierKey(formatVerifierKey(origin, key))];
    const { checkpoint } = openCheckpoint(note, { origin, keys });
    assert.equal(checkpoint.size, log.entries.length);
    assert.ok(equal(checkpoint.root, rootOf(log.entries)));
  }
  assert.deepEqual(await signer.sign(log), { kind: "unchanged", size: log.entries.length });
});

Deno.test("signChain() refuses a database that was restored from an old backup, whether or not it has grown since", async () => {
  const signer = signerOf([newKey()]);
  const log = logOf(400);
  await signer.sign(log);
  const backup = copyOf(log);
  grow(log, 300);
  await signer.sign(log);
  const expect = async (restored: Log, code: string) => {
    const result = await signer.sign(restored);
    assert.deepEqual(result.kind === "refused" && [result.refusal.code, result.refusal.signedSize], [
      code,
      700,
    ]);
  };
  await expect(copyOf(backup), "rolled_back");
  for (const more of [300, 301, 900]) {
    const grown = copyOf(backup);
    grow(grown, more, "other");
    await expect(grown, "forked");
  }
  // Restored, and then signed by somebody without the second place.
  const signed = copyOf(backup);
  grow(signed, 900, "other");
  const stranger = signerOf([newKey()]);
  assert.equal((await stranger.sign(signed)).kind, "signed");
  await expect(signed, "forked");
});

Deno.test("signChain() goes on when a restored database holds everything that was signed", async () => {
  const signer = signerOf([newKey()]);
  const log = logOf(400);
  await signer.sign(log);
  const backup = copyOf(log);
  grow(log, 300);
  backup.entries = [...log.entries];
  await signer.sign(log);
  assert.equal((await signer.sign(backup)).kind, "signed");
  assert.ok(equal(backup.checkpoints.at(-1)!.root, log.checkpoints.at(-1)!.root));
});

Deno.test("signChain() refuses a changed tile, a missing event, and a second place that it cannot read", async () => {
  const code = async (log: Log, signer: ReturnType<typeof signerOf>) => {
    const result = await signer.sign(log);
    return result.kind === "refused" ? result.refusal.code : result.kind;
  };
  const signer = signerOf([newKey()]);
  const log = logOf(300);
  await signer.sign(log);
  const changed = copyOf(log);
  const tile = changed.tiles.get("0/0")!;
  const hashes = tile.hashes.slice();
  hashes[5]! ^= 1;
  changed.tiles.set("0/0", { ...tile, hashes, root: leafHash("another") });
  grow(changed, 1);
  assert.equal(await code(changed, signer), "tiles_damaged");
  const lost = copyOf(log);
  lost.tiles.clear();
  assert.equal(await code(lost, signer), "tiles_damaged");
  const store = storeOf(copyOf(log));
  const holes = { ...store, head: () => Promise.resolve({ seq: 310 }) };
  const options = { store: holes, logOrigin: "g", signersOf: () => [], verifiersOf: () => [] };
  const secondPlace = { read: () => Promise.resolve(undefined), write: () => Promise.resolve() };
  const result = await signChain({ ...options, secondPlace }, "acme", log.checkpoints.at(-1));
  assert.equal(result.kind === "refused" && result.refusal.code, "events_missing");
  signer.places.set("gateway.example/acme", "damaged\n");
  assert.equal(await code(log, signer), "unreadable");
});

Deno.test("signChain() takes no checkpoint that another replica signs meanwhile for a log that was rolled back", async () => {
  const key = newKey();
  const [mine, theirs] = [signerOf([key]), signerOf([key])];
  const log = logOf(5);
  await mine.sign(log);
  const before = log.checkpoints.at(-1);
  grow(log, 7);
  await theirs.sign(log);
  assert.deepEqual(await signChain(mine.options(log), "acme", before), { kind: "unchanged", size: 12 });
});

Deno.test("signChain() refuses a restored database also on a replica that did not sign last", async () => {
  const key = newKey();
  const [mine, theirs, late] = [signerOf([key]), signerOf([key]), signerOf([key])];
  const log = logOf(100);
  await mine.sign(log);
  const backup = copyOf(log);
  grow(log, 200);
  await theirs.sign(log);
  for (const replica of [mine, late]) {
    const result = await replica.sign(log);
    assert.deepEqual([result.kind, replica.places.get(ORIGIN)], ["unchanged", log.checkpoints.at(-1)!.note]);
  }
  const restored = copyOf(backup);
  grow(restored, 250, "fork");
  for (const replica of [mine, theirs, late]) {
    const result = await replica.sign(copyOf(restored));
    assert.deepEqual(result.kind === "refused" && [result.refusal.code, result.refusal.signedSize], [
      "forked",
      300,
    ]);
  }
});

Deno.test("signChain() copies nothing into the second place that its keys did not sign, or that is older", async () => {
  const key = newKey();
  const log = logOf(100);
  await signerOf([key]).sign(log);
  const [honest, stranger] = [log.checkpoints.at(-1)!, signerOf([newKey()])];
  const foreign = copyOf(log);
  foreign.checkpoints = [];
  await stranger.sign(foreign);
  const other = { ...honest, note: stranger.places.get(ORIGIN)! };
  for (const last of [other, { ...honest, note: "" }]) {
    const replica = signerOf([key]);
    assert.equal((await signChain(replica.options(log), "acme", last)).kind, "unchanged");
    assert.equal(replica.places.get(ORIGIN), undefined);
  }
  const writes: string[] = [];
  const { secondPlace, ...options } = signerOf([key]).options(log);
  const place = { ...secondPlace, read: () => Promise.resolve(honest.note) };
  const write = (_: string, note: string) => Promise.resolve(void writes.push(note));
  await signChain({ ...options, secondPlace: { ...place, write } }, "acme", honest);
  assert.deepEqual(writes, []);
});

Deno.test("signChain() tells when database or second place knows no checkpoint that the other has", async () => {
  const key = newKey();
  const [old, fresh] = [signerOf([key]), signerOf([key])];
  const log = logOf(5);
  const doubt = async (signer: ReturnType<typeof signerOf>) => {
    const result = await signer.sign(log);
    return [result.kind, result.kind === "refused" ? "" : result.doubt];
  };
  assert.deepEqual(await doubt(old), ["signed", undefined]);
  assert.deepEqual(await doubt(fresh), ["unchanged", "second_place_empty"]);
  assert.deepEqual(await doubt(fresh), ["unchanged", undefined]);
  log.checkpoints = [];
  assert.deepEqual(await doubt(old), ["signed", "checkpoints_missing"]);
});

Deno.test("signChain() refuses a chain whose head is gone", async () => {
  const signer = signerOf([newKey()]);
  const log = logOf(7);
  const without = (options: LogSignerOptions) => ({
    ...options,
    store: { ...options.store, head: () => Promise.resolve(undefined) },
  });
  const code = async () => {
    const result = await signChain(without(signer.options(log)), "acme", undefined);
    return result.kind === "refused" ? [result.refusal.code, result.refusal.signedSize] : result.kind;
  };
  assert.deepEqual(await code(), ["events_missing", 0]);
  await signer.sign(log);
  assert.deepEqual(await code(), ["rolled_back", 7]);
});

Deno.test("signChain() signs with every key while keys change over, and follows a checkpoint of the old key", async () => {
  const [old, next] = [newKey(), newKey()];
  const places = new Map<string, string>();
  const log = logOf(10);
  const signers = [signerOf([old]), signerOf([next, old]), signerOf([next])];
  for (const signer of signers) {
    for (const [origin, note] of places) signer.places.set(origin, note);
    grow(log, 5);
    assert.equal((await signer.sign(log)).kind, "signed");
    for (const [origin, note] of signer.places) places.set(origin, note);
  }
  assert.equal(log.checkpoints[1]!.note.split("\u2014").length, 3);
});

Deno.test("a chain that a place outside holds something against is not signed, until that ends", async () => {
  const { options, places } = signerOf([newKey()]);
  const log = logOf(5);
  let held: { readonly code: "rolled_back" | "forked"; readonly size: number } | undefined;
  const asked: string[][] = [];
  const sign = () =>
    signChain(
      {
        ...options(log),
        heldOutside: (...names) => {
          asked.push(names);
          return Promise.resolve(held);
        },
      },
      "acme",
      log.checkpoints.at(-1),
    );
  assert.equal((await sign()).kind, "signed");
  grow(log, 3);
  for (const code of ["rolled_back", "forked"] as const) {
    held = { code, size: 20 };
    const refusal = { chain: "acme", code, signedSize: 20, size: 8 };
    assert.deepEqual(await sign(), { kind: "refused", refusal });
  }
  const note = log.checkpoints.at(-1)?.note;
  assert.deepEqual(
    [log.checkpoints.length, places.get("gateway.example/acme")],
    [1, note],
    "nor written anywhere",
  );
  held = undefined;
  assert.equal((await sign()).kind, "signed");
  assert.deepEqual(asked[0], ["acme", "gateway.example/acme"]);
});
