/** What audit/verify_test.ts shows of 500 random honest histories, of 10,000: nobody honest is accused. */
import assert from "node:assert/strict";
import { verifyExport } from "../../audit/export/verify_export.ts";
import { archiveOf, fixtureLog } from "../../audit/export/export_fixture.ts";
import { formatVerifierKey, parseVerifierKey } from "../../audit/signed_note.ts";
import { CHAIN, KEY, verifyHistory } from "../../audit/verify_fixture.ts";

/** The first 500 are those of the unit test. */
const HISTORIES = 10_000;

Deno.test("verifyChain() and verifyExport() accuse none of 10,000 random honest histories", async () => {
  for (let seed = 1; seed <= HISTORIES; seed++) {
    const texts = await verifyHistory(seed);
    if (texts.length === 0) continue;
    const log = await fixtureLog(CHAIN, texts, KEY);
    const size = 1 + seed % texts.length;
    const first = 1 + (seed * 7) % size;
    const sinceSize = 1 + (seed * 3) % size;
    const checkpoint = { size, note: log.checkpoint(size), signedAt: 1_700_000_000 };
    const order = { first, sinceSize, checkpoint };
    const report = await verifyExport(new Blob([await archiveOf(log, order) as BlobPart]).stream(), {
      keys: [parseVerifierKey(formatVerifierKey(log.origin, KEY))],
      checkpoint: log.checkpoint(sinceSize),
    });
    const said = `seed ${seed}, export of ${first} to ${size}: ${JSON.stringify(report)}`;
    assert.equal(report.verdict, "verified", said);
    assert.equal(report.events, size - first + 1, said);
  }
});
