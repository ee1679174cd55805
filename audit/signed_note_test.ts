import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import {
  ed25519Signer,
  formatNote,
  formatVerifierKey,
  NoteError,
  parseNote,
  parseVerifierKey,
  signNote,
  verifiedBy,
} from "./signed_note.ts";

// The example of golang.org/x/mod/sumdb/note, made by another implementation.
const TEXT =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const SEED = "gQoUAtUUbI2E8kQzMPVAgOv5juF9nHT2JS/F1ccoMXM=";
const NOTE = `${TEXT}
\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;

function privateKey() {
  const der = Uint8Array.of(
    ...Uint8Array.fromHex("302e020100300506032b657004220420"),
    ...Uint8Array.fromBase64(SEED),
  );
  return createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
}

Deno.test("signNote() and formatVerifierKey() give the bytes of Go's sumdb/note", () => {
  assert.equal(signNote(TEXT, [ed25519Signer("PeterNeumann", privateKey())]), NOTE);
  assert.equal(formatVerifierKey("PeterNeumann", privateKey()), VERIFIER);
});

Deno.test("verifiedBy() finds the keys that signed, whatever unknown keys signed besides", () => {
  const known = parseVerifierKey(VERIFIER);
  const stranger = ed25519Signer("stranger", generateKeyPairSync("ed25519").privateKey);
  const both = signNote(TEXT, [stranger, ed25519Signer("PeterNeumann", privateKey())]);
  assert.deepEqual([...verifiedBy(parseNote(both), [known])], [known]);
  assert.equal(verifiedBy(parseNote(signNote(TEXT, [stranger])), [known]).size, 0);
});

Deno.test("verifiedBy() refuses a note whose text or signature was changed", () => {
  const known = parseVerifierKey(VERIFIER);
  assert.throws(() => verifiedBy(parseNote(NOTE.replace("answer", "reason")), [known]), NoteError);
  const note = parseNote(NOTE);
  for (const at of [0, 31, 63]) {
    const blob = note.signatures[0]!.blob.slice();
    blob[at]! ^= 1;
    assert.throws(
      () => verifiedBy({ ...note, signatures: [{ ...note.signatures[0]!, blob }] }, [known]),
      NoteError,
    );
  }
});

Deno.test("a text may have empty lines of its own: the last one before the signatures counts", () => {
  const signer = ed25519Signer("PeterNeumann", privateKey());
  const text = "one\n\n\u2014 PeterNeumann AAAAAAA=\n\ntwo\n";
  const note = parseNote(signNote(text, [signer]));
  assert.equal(note.text, text);
  assert.equal(verifiedBy(note, [parseVerifierKey(VERIFIER)]).size, 1);
  assert.equal(formatNote(note), signNote(text, [signer]));
});

Deno.test("parseNote() refuses what is no signed note", () => {
  const bad = [
    "",
    TEXT,
    NOTE.slice(0, -1),
    NOTE.replace("\u2014", "-"),
    NOTE.replace("x08go", "x08g!"),
    NOTE.replace("BwJnAM=", "BwJnAM"),
    NOTE.replace("\n\n", "\n"),
    NOTE.replace("PeterNeumann x", "Peter+Neumann x"),
    NOTE.replace("PeterNeumann x", "Peter\x85Neumann x"),
    NOTE.replace("PeterNeumann x", "Peter\u2003Neumann x"),
    NOTE.replace("think", "thi\tnk"),
    NOTE.replace("think", "thi\rnk"),
    NOTE.replace("think", "thi\ud800nk"),
    `${NOTE}trailing\n`,
    TEXT + "\n" + "\u2014 a AAAAAAA=\n".repeat(101),
    "a".repeat(1024 * 1024) + NOTE,
    "\u{1f600}".repeat(256 * 1024) + NOTE,
  ];
  for (const note of bad) assert.throws(() => parseNote(note), NoteError, JSON.stringify(note.slice(0, 200)));
});

Deno.test("parseNote() reads the lines of strangers whatever their names, as long as they have no spaces", () => {
  for (const name of ["n".repeat(600), "a\ufeffb", "\u{1f600}"]) {
    const note = parseNote(`${NOTE}\u2014 ${name} 3q2+7wAA\n`);
    assert.equal(note.signatures[1]?.name, name);
    assert.equal(verifiedBy(note, [parseVerifierKey(VERIFIER)]).size, 1);
  }
});

Deno.test("parseVerifierKey() refuses a foreign type, a wrong key id and a damaged key", () => {
  const bad = [
    "",
    "PeterNeumann",
    VERIFIER.replace("c74f20a3", "c74f20a4"),
    VERIFIER.replace("+ARpc", "+AhpC"),
    VERIFIER.replace("PeterNeumann", "Peter Neumann"),
    VERIFIER.slice(0, -4),
    VERIFIER.replace("10TW", "10TX"),
  ];
  for (const line of bad) assert.throws(() => parseVerifierKey(line), NoteError, line);
});

Deno.test("named() is the verifier of the same key under another name", () => {
  const { name, keyId, verify } = parseVerifierKey(VERIFIER).named("gateway.example/acme");
  const other = parseVerifierKey(formatVerifierKey("gateway.example/acme", privateKey()));
  assert.deepEqual([name, keyId], [other.name, other.keyId]);
  const [signature] = parseNote(signNote(TEXT, [ed25519Signer(name, privateKey())])).signatures;
  assert.ok(verify(TEXT, signature!.blob));
  assert.ok(!verify(`${TEXT}x`, signature!.blob));
  for (const bad of ["", "a b", "a+b", "n".repeat(513)]) {
    assert.throws(() => parseVerifierKey(VERIFIER).named(bad), NoteError);
  }
});
