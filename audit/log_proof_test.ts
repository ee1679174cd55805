import assert from "node:assert/strict";
import * as fc from "fast-check";
import { fixtureLog, honestLog } from "./export/export_fixture.ts";
import { formatLogProof, makeLogProof, parseLogProof, ProofError, verifyLogProof } from "./log_proof.ts";
import { witnessKey } from "./places/places_fixture.ts";
import { formatVerifierKey, parseVerifierKey, parseWitnessKey } from "./signed_note.ts";
import { tileNodes } from "./tiles.ts";

async function proofOf(calls: number, seq: number) {
  const log = await honestLog(calls);
  const size = log.entries.length;
  const proof = await makeLogProof({
    ...{ event: log.entries[seq - 1]!, seq, checkpoint: { size, note: log.checkpoint(size) } },
    read: tileNodes(log.source, log.chain, size),
  });
  return { proof, log, keys: [parseVerifierKey(formatVerifierKey(log.origin, log.key))] };
}

Deno.test("verifyLogProof() proves each event of a log, with nothing but the file and the key", async () => {
  for (const [calls, seq] of [[1, 1], [5, 3], [200, 1], [200, 256], [200, 300]] as const) {
    const { proof, log, keys } = await proofOf(calls, seq);
    assert.match(proof, /^c2sp\.org\/tlog-proof@v1\nextra \S+\nindex \d+\n/);
    const report = verifyLogProof(proof, { keys });
    assert.deepEqual([report.verdict, report.seq, report.event], ["verified", seq, log.entries[seq - 1]]);
    assert.equal(verifyLogProof(proof, { keys: [] }).verdict, "unproven");
    assert.equal(verifyLogProof(proof, { keys, witnessesNeeded: 1 }).verdict, "unproven");
  }
});

Deno.test("verifyLogProof() takes no proof that was changed, and none of another log or key", async () => {
  const { proof, keys } = await proofOf(200, 100);
  const other = await fixtureLog("acme", ["{}"]);
  const forged = [
    proof.replace("index 99", "index 98"),
    proof.replace(/extra \S+/, `extra ${btoa('{"forged":true}')}`),
    proof.replace(/\n[^\n]{44}\n/, "\n"),
    proof.replace("gateway.example/acme", "gateway.example/globex"),
    proof.slice(0, proof.indexOf("\n\n") + 2) + other.checkpoint(1),
  ];
  for (const text of forged) assert.equal(verifyLogProof(text, { keys }).verdict, "broken", text);
  fc.assert(fc.property(fc.nat(proof.length - 1), fc.constantFrom("A", "\n", " ", "0"), (at, character) => {
    if (proof[at] === character) return;
    const changed = proof.slice(0, at) + character + proof.slice(at + 1);
    assert.equal(verifyLogProof(changed, { keys }).verdict, "broken");
  }));
});

Deno.test("verifyLogProof() counts a witness with two keys once, and no number of witnesses below 0", async () => {
  const { proof, keys } = await proofOf(5, 3);
  const note = proof.slice(proof.indexOf("\n\n") + 2);
  const all = [witnessKey("w.example"), witnessKey("w.example"), witnessKey("v.example")];
  const cosigned = proof + all.map((witness) => witness.cosign(note, 1)).join("");
  const needing = (witnessesNeeded: number, witnesses = all) =>
    verifyLogProof(cosigned, {
      keys,
      witnesses: witnesses.map(({ line }) => parseWitnessKey(line)),
      witnessesNeeded,
    });
  assert.deepEqual([needing(2).verdict, needing(2).cosigners], ["verified", ["v.example", "w.example"]]);
  assert.equal(needing(3).verdict, "unproven");
  assert.equal(needing(2, all.slice(0, 2)).verdict, "unproven");
  for (const count of [-1, 0.5, NaN]) assert.throws(() => needing(count), RangeError);
});

Deno.test("parseLogProof() reads what formatLogProof() writes and refuses everything else", async () => {
  const { proof } = await proofOf(5, 2);
  assert.equal(formatLogProof(parseLogProof(proof)), proof);
  const wrong = [
    ["", /Expected a tlog-proof/],
    [proof.replace("@v1", "@v2"), /Expected "c2sp/],
    [proof.replace(/extra \S+\n/, ""), /Expected the event/],
    [proof.replace("index 1", "index 01"), /Expected the index/],
    [proof.replace(/\nindex/, "\nextra AAAA\nindex"), /Expected the index/],
    [proof.replace(/\n(\S{43}=)\n/, "\nAAAA\n"), /Expected a SHA-256/],
    [proof.replace("index 1\n", `index 1\n${"AAAA\n".repeat(70)}`), /more than 64/],
  ] as const;
  for (const [text, message] of wrong) {
    assert.throws(
      () => parseLogProof(text),
      (error) => error instanceof ProofError && message.test(error.message),
    );
  }
});
