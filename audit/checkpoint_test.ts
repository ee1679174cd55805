import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import {
  chainOf,
  checkpointText,
  openCheckpoint,
  originOf,
  parseCheckpointText,
  signCheckpoint,
} from "./checkpoint.ts";
import { EMPTY_ROOT } from "./merkle_tree.ts";
import { witnessKey } from "./places/places_fixture.ts";
import {
  ed25519Signer,
  formatVerifierKey,
  NoteError,
  type NoteVerifier,
  parseVerifierKey,
  parseWitnessKey,
  signNote,
} from "./signed_note.ts";

const ORIGIN = originOf("gateway.example/log", "acme");
const { privateKey } = generateKeyPairSync("ed25519");
const SIGNER = ed25519Signer(ORIGIN, privateKey);
const KEY = parseVerifierKey(formatVerifierKey(ORIGIN, privateKey));
const CHECKPOINT = { origin: ORIGIN, size: 12, root: new Uint8Array(EMPTY_ROOT) };

Deno.test("openCheckpoint() reads what signCheckpoint() made", () => {
  const { checkpoint } = openCheckpoint(signCheckpoint(CHECKPOINT, [SIGNER]), {
    origin: ORIGIN,
    keys: [KEY],
  });
  assert.deepEqual(checkpoint, { ...CHECKPOINT, extensions: [] });
});

Deno.test("openCheckpoint() refuses another log, no known signature, and a key of another log", () => {
  const note = signCheckpoint(CHECKPOINT, [SIGNER]);
  const elsewhere = originOf("gateway.example/log", "globex");
  assert.throws(() => openCheckpoint(note, { origin: elsewhere, keys: [KEY] }), /Expected a checkpoint of/);
  assert.throws(() => openCheckpoint(note, { origin: ORIGIN, keys: [] }), /No known key/);
  const other = generateKeyPairSync("ed25519").privateKey;
  const forged = signCheckpoint(CHECKPOINT, [ed25519Signer(ORIGIN, other)]);
  assert.throws(() => openCheckpoint(forged, { origin: ORIGIN, keys: [KEY] }), /No known key/);
  const neighbour = parseVerifierKey(formatVerifierKey(elsewhere, privateKey));
  const misnamed = signNote(checkpointText(CHECKPOINT), [ed25519Signer(elsewhere, privateKey)]);
  assert.throws(() => openCheckpoint(misnamed, { origin: ORIGIN, keys: [neighbour] }), /No known key/);
});

Deno.test("openCheckpoint() refuses a bad signature of any key that is known, of another log or of a witness", () => {
  const note = signCheckpoint(CHECKPOINT, [SIGNER]);
  const [neighbour, witness] = [generateKeyPairSync("ed25519").privateKey, witnessKey()];
  const elsewhere = originOf("gateway.example/log", "globex");
  const bad = signNote("another text\n", [ed25519Signer(elsewhere, neighbour)]).split("\n\n")[1];
  const theirs = parseVerifierKey(formatVerifierKey(elsewhere, neighbour));
  const open = (text: string, keys: readonly NoteVerifier[]) =>
    openCheckpoint(text, { origin: ORIGIN, keys, witnesses: [parseWitnessKey(witness.line)] });
  assert.equal(open(note + bad, [KEY]).checkpoint.size, 12, "lines of strangers are ignored");
  for (const keys of [[KEY, theirs], [theirs, KEY]]) assert.throws(() => open(note + bad, keys), NoteError);
  const cosigned = note + witness.cosign(note.replace("12", "13"), 1);
  assert.throws(() => open(cosigned, [KEY]), NoteError);
});

Deno.test("openCheckpoint() counts a witness by its name, however many keys it has", () => {
  const note = signCheckpoint(CHECKPOINT, [SIGNER]);
  const all = [witnessKey("w.example/b"), witnessKey("w.example/a"), witnessKey("w.example/b")];
  const { cosigners } = openCheckpoint(note + all.map((witness) => witness.cosign(note, 1)).join(""), {
    ...{ origin: ORIGIN, keys: [KEY], witnesses: all.map(({ line }) => parseWitnessKey(line)) },
  });
  assert.deepEqual(cosigners, ["w.example/a", "w.example/b"]);
});

Deno.test("parseCheckpointText() keeps further lines and refuses what is no checkpoint", () => {
  const text = checkpointText(CHECKPOINT);
  assert.deepEqual(parseCheckpointText(`${text}more\n`).extensions, ["more"]);
  const root = text.split("\n")[2]!;
  const bad = [
    "",
    text.slice(0, -1),
    `${ORIGIN}\n012\n${root}\n`,
    `${ORIGIN}\n-1\n${root}\n`,
    `${ORIGIN}\n1e3\n${root}\n`,
    `${ORIGIN}\n9999999999999999\n${root}\n`,
    `${ORIGIN}\n12\n${root.slice(0, -4)}\n`,
    `${ORIGIN}\n12\n${root.replace("=", "")}\n`,
    `\n12\n${root}\n`,
    `${text}\nmore\n`,
  ];
  for (const candidate of bad) {
    assert.throws(() => parseCheckpointText(candidate), NoteError, JSON.stringify(candidate));
  }
});

Deno.test("chainOf() is the way back from originOf()", () => {
  for (const chain of ["acme", "~unverified"]) {
    assert.equal(chainOf("gateway.example/log", originOf("gateway.example/log", chain)), chain);
  }
  for (
    const other of [
      "gateway.example/acme",
      "gateway.example/log",
      "gateway.example/log/",
      "gateway.example/log/a/b",
    ]
  ) {
    assert.equal(chainOf("gateway.example/log", other), undefined, other);
  }
});
