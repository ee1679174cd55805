import assert from "node:assert/strict";
import { concatBytes } from "../../core/bytes.ts";
import { archiveOf, honestLog } from "./export_fixture.ts";
import { arrivedExport } from "./resume.ts";

async function* chunks(bytes: Uint8Array) {
  yield await Promise.resolve(bytes);
}

Deno.test("an export that broke off anywhere goes on to the same bytes", async () => {
  const log = await honestLog(1_300);
  const last = log.entries.length;
  assert.ok(last > 2_000);
  const whole = await archiveOf(log);
  let resumed = 0;
  for (let bytes = 0; bytes < whole.length; bytes += Math.floor(whole.length / 37)) {
    const arrived = await arrivedExport(chunks(whole.subarray(0, bytes)));
    if (arrived?.lastSeq === undefined) continue;
    assert.ok(!arrived.isWhole && arrived.wholeBytes <= bytes);
    const rest = await archiveOf(log, { resumeAfter: arrived.lastSeq });
    assert.deepEqual(concatBytes([whole.subarray(0, arrived.wholeBytes), rest]), whole);
    resumed++;
  }
  assert.ok(resumed > 20);
  const all = await arrivedExport(chunks(whole));
  assert.deepEqual([all?.isWhole, all?.lastSeq, all?.wholeBytes], [true, last, whole.length]);
  assert.equal(await arrivedExport(chunks(new Uint8Array())), undefined);
});

Deno.test("arrivedExport() uses nothing of a file whose manifest is damaged", async () => {
  const whole = await archiveOf(await honestLog(5));
  const text = new TextDecoder("latin1").decode(whole);
  for (
    const [word, other] of [['{"chain"', '["chain"'], ['"first":1', '"first":0'], [
      '"generator"',
      '"GENERATOR"',
    ]]
  ) {
    const damaged = Uint8Array.from(text.replace(word!, other!), (character) => character.charCodeAt(0));
    assert.equal(damaged.length, whole.length);
    assert.equal(await arrivedExport(chunks(damaged)), undefined, word);
  }
});
