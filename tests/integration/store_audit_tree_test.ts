import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { openCheckpoint } from "../../audit/checkpoint.ts";
import { type LogSignerOptions, signChain } from "../../audit/log_signer.ts";
import { LeafRun } from "../../audit/merkle_range.ts";
import { equal, leafHash, treeRoot } from "../../audit/merkle_tree.ts";
import { ed25519Signer, formatVerifierKey, parseVerifierKey } from "../../audit/signed_note.ts";
import { tileNodes } from "../../audit/tiles.ts";
import { type AuditEvents, createAuditEvents } from "../../store/audit_events.ts";
import { createAuditTree } from "../../store/audit_tree.ts";
import type { Database } from "../../store/database.ts";
import { createDatabaseTests } from "./databases.ts";

const { test, testPostgres } = createDatabaseTests();
const ORIGIN = "gateway.example/default";

async function append(events: AuditEvents, count: number): Promise<string[]> {
  const texts = Array.from({ length: count }, () => JSON.stringify({ id: crypto.randomUUID() }));
  for (let at = 0; at < count; at += 64) {
    const entries = texts.slice(at, at + 64).map((canonical) => ({
      ...{ chain: "default", eventId: crypto.randomUUID(), canonical, conditions: [] },
    }));
    await events.append(entries);
  }
  return texts;
}

async function sign(database: Database, options: LogSignerOptions) {
  return await signChain(options, "default", await createAuditTree(database).latestCheckpoint("default"));
}

function signerOf(database: Database) {
  const key = generateKeyPairSync("ed25519").privateKey;
  const places = new Map<string, string>();
  const options: LogSignerOptions = {
    store: { ...createAuditEvents(database), ...createAuditTree(database) },
    secondPlace: {
      read: (origin) => Promise.resolve(places.get(origin)),
      write: (origin, note) => Promise.resolve(void places.set(origin, note)),
    },
    logOrigin: "gateway.example",
    signersOf: (origin) => [ed25519Signer(origin, key)],
    verifiersOf: (origin) => [parseVerifierKey(formatVerifierKey(origin, key))],
  };
  return { options, keys: options.verifiersOf(ORIGIN) };
}

test("checkpoints in the database are those of the events, and continue each other", async (fixture) => {
  const database = await fixture.migrated();
  const [events, tree] = [createAuditEvents(database), createAuditTree(database)];
  const { options, keys } = signerOf(database);
  const run = new LeafRun(0);
  for (const count of [3, 600, 1]) {
    for (const text of await append(events, count)) run.push(leafHash(text));
    assert.equal((await sign(database, options)).kind, "signed");
    const stored = await tree.latestCheckpoint("default");
    assert.equal(stored?.size, run.end);
    const { checkpoint } = openCheckpoint(stored.note, { origin: ORIGIN, keys });
    assert.deepEqual([checkpoint.size, checkpoint.root], [run.end, new Uint8Array(run.root())]);
  }
  const read = tileNodes(tree, "default", run.end);
  assert.ok(equal(await treeRoot(run.end, read), run.root()));
  assert.equal((await tree.checkpointUpTo("default", 602))?.size, 3);
  assert.equal((await tree.fullTile("default", 0, 1))?.length, 8192);
  assert.equal(await tree.fullTile("default", 0, 2), undefined);
  assert.deepEqual((await sign(database, options)).kind, "unchanged");
});

test("of two replicas that sign at once one adds its checkpoint", async (fixture) => {
  const database = await fixture.migrated();
  const { options } = signerOf(database);
  await append(createAuditEvents(database), 300);
  const results = await Promise.all([sign(database, options), sign(database, options)]);
  assert.deepEqual(results.map(({ kind }) => kind).sort(), ["signed", "unchanged"]);
});

test("nobody plants a tile of events that do not exist yet, and one that is not of the events is told", async (fixture) => {
  const database = await fixture.migrated();
  const [events, tree] = [createAuditEvents(database), createAuditTree(database)];
  const { options } = signerOf(database);
  const planted = (level: number, index: number) => ({
    ...{ level, index, hashes: new Uint8Array(8192).fill(7), root: new Uint8Array(32).fill(7) },
  });
  await append(events, 300);
  for (const [level, index] of [[0, 1], [1, 0], [6, 0], [0, Number.MAX_SAFE_INTEGER]] as const) {
    await assert.rejects(
      tree.addTiles("default", [planted(0, 0), planted(level, index)]),
      new RegExp(`Expected tiles of the 300 events of chain "default", got tile ${level}/${index}`),
    );
  }
  await assert.rejects(
    tree.addTiles("none", [planted(0, 0)]),
    /Expected tiles of the 0 events of chain "none"/,
  );
  assert.equal((await sign(database, options)).kind, "signed");
  await append(events, 300);
  assert.equal((await sign(database, options)).kind, "signed", "what is there already, with the same hashes");
  await append(events, 600);
  await tree.addTiles("default", [planted(0, 3)]);
  await assert.rejects(
    sign(database, options),
    /Tile 0\/3 of chain "default" stands there with other hashes/,
  );
  assert.equal((await tree.latestCheckpoint("default"))?.size, 600, "and nothing is signed over it");
});

test("cosignatures and public keys are kept once", async (fixture) => {
  const database = await fixture.migrated();
  const tree = createAuditTree(database);
  await append(createAuditEvents(database), 1);
  await sign(database, signerOf(database).options);
  await tree.addCosignature("default", 1, "w1", "line 1\n");
  await tree.addCosignature("default", 1, "w1", "line 2\n");
  assert.deepEqual(await tree.cosignatures("default", 1), ["line 1\n"]);
  const key = new Uint8Array(32).fill(7);
  assert.equal(await tree.addPublicKey(key), true);
  assert.equal(await tree.addPublicKey(key), false);
  assert.deepEqual((await tree.publicKeys()).map((known) => [...known]), [[...key]]);
});

testPostgres("nobody changes or removes a tile or a checkpoint, the owner neither", async (fixture) => {
  const database = await fixture.migrated();
  await append(createAuditEvents(database), 300);
  await sign(database, signerOf(database).options);
  const owner = await fixture.owner();
  for (const table of ["audit_tiles", "audit_checkpoints"]) {
    await assert.rejects(() => owner.sql.unsafe(`DELETE FROM ${table}`));
    await assert.rejects(() => owner.sql.unsafe(`UPDATE ${table} SET root = root`));
    await assert.rejects(() => owner.sql.unsafe(`TRUNCATE ${table} CASCADE`));
  }
});
