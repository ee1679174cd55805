import assert from "node:assert/strict";
import { type BackgroundVerifyOptions, createBackgroundVerify } from "./background_verify.ts";
import { parseCheckpointText, signCheckpoint } from "./checkpoint.ts";
import { genesisHash, hex, nextHash } from "./digest.ts";
import { honestLog, LOG_ID } from "./export/export_fixture.ts";
import { ed25519Signer, formatVerifierKey, parseNote } from "./signed_note.ts";
import type { HeldElsewhere } from "./signed_points.ts";
import type { VerifyReport } from "./verify.ts";

async function rounds() {
  const log = await honestLog(20);
  const size = log.entries.length;
  let hash = genesisHash(LOG_ID, log.chain);
  const rows = log.entries.map((canonical, at) => ({
    ...{ seq: at + 1, canonical },
    hash: hex(hash = nextHash(hash, canonical)),
  }));
  const note = log.checkpoint(size);
  const stored = { size, note, root: parseCheckpointText(parseNote(note).text).root, signedAt: 1 };
  const oldOrigin = `old.example/${log.chain}`;
  const renamed = signCheckpoint({ ...stored, origin: oldOrigin }, [ed25519Signer(oldOrigin, log.key)]);
  const state = {
    ...{ fails: false, read: 0, now: 5_000, signs: 0, isUnsigned: false, canSign: true, isRenamed: false },
    held: {} as HeldElsewhere,
  };
  const reports: VerifyReport[] = [];
  const errors: unknown[] = [];
  const options: BackgroundVerifyOptions = {
    reader: {
      ...log.source,
      head: () => state.fails ? Promise.reject(new Error("gone")) : Promise.resolve(rows.at(-1)),
      read: (_, after, limit) => {
        if (limit > 1) state.read += limit;
        return Promise.resolve(rows.slice(after, after + limit));
      },
      latestCheckpoint: () => {
        const last = { ...stored, note: state.isRenamed ? renamed : note };
        return Promise.resolve(state.isUnsigned ? undefined : last);
      },
      checkpointUpTo: () => Promise.resolve(stored),
      stillOpen: () => Promise.resolve([]),
      appendedAt: () => Promise.resolve(1),
      pruned: () => Promise.resolve(undefined),
      strandedSalt: () => Promise.resolve(undefined),
    },
    ...{
      logId: LOG_ID,
      originOf: () => log.origin,
      verifierKeys: () => [formatVerifierKey(log.origin, log.key)],
    },
    ...{ chains: () => Promise.resolve([log.chain]), intervalMs: 1, nowMs: () => state.now },
    heldElsewhere: () => Promise.resolve(state.held),
    sign: () => {
      state.signs++;
      if (state.canSign) state.isUnsigned = state.isRenamed = false;
      return Promise.resolve();
    },
    onBroken: (report) => void reports.push(report),
    onError: (_, error) => void errors.push(error),
  };
  return { verify: createBackgroundVerify(options), rows, state, reports, errors, size, log };
}

Deno.test("createBackgroundVerify() reads what is new, and everything every 28th time", async () => {
  const { verify, state, size } = await rounds();
  assert.equal(verify.lastOkAt(), 0);
  await verify.verifyAll();
  assert.deepEqual([verify.lastOkAt(), verify.broken(), state.read], [5, 0, size]);
  for (let round = 1; round < 28; round++) await verify.verifyAll();
  assert.equal(state.read, size);
  await verify.verifyAll();
  assert.equal(state.read, 2 * size);
});

Deno.test("createBackgroundVerify() tells of broken chains each time, and keeps the time of the last good round", async () => {
  const { verify, rows, state, reports, errors } = await rounds();
  await verify.verifyAll();
  state.now = 9_000;
  state.fails = true;
  await verify.verifyAll();
  assert.deepEqual([verify.lastOkAt(), verify.broken(), errors.length], [5, 0, 1]);
  state.fails = false;
  rows[rows.length - 1] = { ...rows.at(-1)!, hash: "00".repeat(32) };
  for (let n = 0; n < 28; n++) await verify.verifyAll();
  assert.equal(verify.broken(), 1);
  assert.ok(reports.length >= 1);
  assert.equal(verify.lastOkAt() <= 9, true);
});

Deno.test("createBackgroundVerify() finds a chain that was rolled back or is gone, by what is kept of it elsewhere", async () => {
  const { verify, rows, state, reports, log, size } = await rounds();
  state.held = { note: log.checkpoint(size) };
  await verify.verifyAll();
  assert.deepEqual([verify.lastOkAt(), verify.broken()], [5, 0]);
  state.now = 9_000;
  const gone = rows.splice(0);
  state.isUnsigned = true;
  state.canSign = false;
  await verify.verifyAll();
  assert.deepEqual([verify.lastOkAt(), verify.broken(), reports.at(-1)?.broken?.what], [5, 1, "head"]);
  rows.push(...gone);
  await verify.verifyAll();
  assert.deepEqual([verify.lastOkAt(), verify.broken(), reports.at(-1)?.broken?.what], [5, 1, "checkpoint"]);
  state.isUnsigned = false;
  state.held = { conflict: { code: "rolled_back", size: size + 1 } };
  await verify.verifyAll();
  assert.deepEqual([verify.lastOkAt(), verify.broken(), reports.at(-1)?.broken?.what], [5, 1, "missing"]);
  state.held = {};
  await verify.verifyAll();
  assert.deepEqual([verify.lastOkAt(), verify.broken()], [9, 0]);
});

Deno.test("createBackgroundVerify() has a chain signed that never was, and counts a round in which that fails as none", async () => {
  const { verify, state, errors } = await rounds();
  state.isUnsigned = true;
  state.canSign = false;
  await verify.verifyAll();
  assert.deepEqual([verify.lastOkAt(), verify.broken(), state.signs, errors.length], [0, 0, 1, 1]);
  assert.match(String(errors[0]), /no checkpoint has been signed yet/);
  state.canSign = true;
  await verify.verifyAll();
  assert.deepEqual([verify.lastOkAt(), verify.broken(), state.signs, errors.length], [5, 0, 2, 1]);
});

Deno.test("createBackgroundVerify() has a chain signed under the log's new name, and counts a round before that as none", async () => {
  const { verify, state, errors } = await rounds();
  state.isRenamed = true;
  state.canSign = false;
  await verify.verifyAll();
  assert.deepEqual([verify.lastOkAt(), verify.broken(), state.signs, errors.length], [0, 0, 1, 1]);
  assert.match(String(errors[0]), /no checkpoint has been signed under this name of the log yet/);
  state.canSign = true;
  await verify.verifyAll();
  assert.deepEqual([verify.lastOkAt(), verify.broken(), state.signs, errors.length], [5, 0, 2, 1]);
});

Deno.test("createBackgroundVerify() runs on its timer and stops when it is closed", async () => {
  const { verify, state } = await rounds();
  verify.start();
  const until = Date.now() + 2_000;
  while (verify.lastOkAt() === 0 && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(verify.lastOkAt(), 5);
  await verify.close();
  const { read } = state;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(state.read, read);
});
