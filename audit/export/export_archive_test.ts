import assert from "node:assert/strict";
import { concatBytes } from "../../core/bytes.ts";
import { isJsonObject } from "../../core/json.ts";
import { formatVerifierKey, parseVerifierKey } from "../signed_note.ts";
import { ExportError, type ExportOrder } from "./export_archive.ts";
import { archiveOf, type FixtureLog, honestLog } from "./export_fixture.ts";
import { readTar, TAR_END } from "./tar.ts";
import { type AuditorKnowledge, verifyExport } from "./verify_export.ts";

async function verify(archive: Uint8Array, log: FixtureLog, knowledge: Partial<AuditorKnowledge> = {}) {
  async function* chunks() {
    for (let at = 0; at < archive.length; at += 10_000) {
      yield await Promise.resolve(archive.subarray(at, at + 10_000));
    }
  }
  const keys = [parseVerifierKey(formatVerifierKey(log.origin, log.key))];
  return await verifyExport(chunks(), { keys, ...knowledge });
}

const HONEST = honestLog(1_700);

Deno.test("an export of everything is verified", async () => {
  const log = await HONEST;
  const size = log.entries.length;
  const report = await verify(await archiveOf(log), log, { chain: "acme" });
  assert.deepEqual(report, {
    ...{ verdict: "verified", chain: "acme", first: 1, last: size, size, events: size },
    ...{ redacted: 0, open: 0, cosigners: [] },
  });
});

Deno.test("an export of any range is verified, also one without the newest events", async () => {
  const log = await HONEST;
  const size = log.entries.length;
  for (const [first, last] of [[1, 1], [2, 700], [size, size], [999, 2_001], [1_001, size]]) {
    const report = await verify(await archiveOf(log, { first, last } as Partial<ExportOrder>), log);
    assert.equal(report.verdict, "verified", report.detail);
    assert.equal(report.events, last! - first! + 1);
  }
});

Deno.test("a filtered export is verified: what is left out stands as its leaf hash", async () => {
  const log = await HONEST;
  const size = log.entries.length;
  const filter = {
    terms: { decision: "block" },
    keeps: (event: unknown) =>
      isJsonObject(event) && isJsonObject(event.unmapped) && event.unmapped.decision === "block",
  };
  const report = await verify(await archiveOf(log, { filter }), log);
  assert.equal(report.verdict, "verified", report.detail);
  assert.ok(report.events > 300 && report.redacted > 1_000 && report.events + report.redacted === size);
});

Deno.test("an export continues the auditor's earlier checkpoint, or is said not to prove it", async () => {
  const log = await HONEST;
  const size = log.entries.length;
  const checkpoint = log.checkpoint(500);
  assert.equal(
    (await verify(await archiveOf(log, { sinceSize: 500 }), log, { checkpoint })).verdict,
    "verified",
  );
  const report = await verify(await archiveOf(log), log, { checkpoint });
  assert.deepEqual([report.verdict, report.code], ["unproven", "no_consistency_proof"]);
  assert.equal(
    (await verify(await archiveOf(log), log, { checkpoint: log.checkpoint(size) })).verdict,
    "verified",
  );
});

Deno.test("without a key nothing is proven", async () => {
  const log = await HONEST;
  const report = await verify(await archiveOf(log), log, { keys: [] });
  assert.deepEqual([report.verdict, report.code], ["unproven", "no_key"]);
});

Deno.test("an export that broke off goes on at a part and has the same bytes", async () => {
  const log = await HONEST;
  const whole = await archiveOf(log);
  const rest = await archiveOf(log, { resumeAfter: 1_000 });
  const before = whole.subarray(0, whole.length - rest.length);
  assert.deepEqual(concatBytes([before, rest]), whole);
  const files = await Array.fromAsync(readTar(ReadableStream.from([before, TAR_END]), 100_000_000));
  assert.deepEqual(files.map(({ name }) => name), [
    "manifest.json",
    "checkpoint",
    "events/0000000000000001.ndjson",
  ]);
});

Deno.test("exportArchive() refuses what is not signed yet and what is no part", async () => {
  const log = await HONEST;
  const size = log.entries.length;
  for (
    const order of [
      { last: size + 1 },
      { first: 0 },
      { first: 5, last: 4 },
      { sinceSize: size + 1 },
      { resumeAfter: 999 },
    ]
  ) {
    await assert.rejects(() => archiveOf(log, order), ExportError);
  }
});
