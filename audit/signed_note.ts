/**
 * Signed notes (C2SP signed-note, https://c2sp.org/signed-note): a text and signature lines under it, which anybody can
 * check with a key of one line. Ed25519 signatures only; cosignatures are of type 0x04 (https://c2sp.org/tlog-cosignature).
 */
import { Buffer } from "node:buffer";
import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { decodeBase64, encodeBase64 } from "../core/base64.ts";
import { hex } from "./digest.ts";

/** One signature line. `blob` is the signature without the key id. */
export interface NoteSignature {
  readonly name: string;
  /** First four bytes of SHA-256(name ‖ "\n" ‖ type ‖ public key), lower-case hex. */
  readonly keyId: string;
  readonly blob: Uint8Array;
}

export interface SignedNote {
  /** Ends with a line break. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** What checks signatures of one name and key. */
export interface NoteVerifier {
  readonly name: string;
  readonly keyId: string;
  /** Whether the blob is this key's signature of the text. */
  verify(text: string, blob: Uint8Array): boolean;
  /** The same key under another name; throws `NoteError` where that is none. */
  named(name: string): NoteVerifier;
}

/** What signs as one name. */
export interface NoteSigner {
  readonly name: string;
  readonly keyId: string;
  sign(text: string): Uint8Array;
}

/** A text that is no signed note, or a key that is none; says what is wrong. */
export class NoteError extends Error {
  override readonly name = "NoteError";
}

const ED25519 = 0x01;
const COSIGNATURE = 0x04;
const MAX_NOTE_BYTES = 1024 * 1024;
const MAX_SIGNATURES = 100;
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** Reads a note; throws `NoteError`. Signatures are not checked: that is `verifiedBy`. */
export function parseNote(note: string): SignedNote {
  if (Buffer.byteLength(note, "utf8") > MAX_NOTE_BYTES) {
    throw new NoteError(`A note is longer than ${MAX_NOTE_BYTES} bytes`);
  }
  // deno-lint-ignore no-control-regex -- the specification refuses them
  if (/[\0-\x09\x0b-\x1f]/.test(note) || !note.isWellFormed()) {
    throw new NoteError("A note contains control characters or is not UTF-8");
  }
  const at = note.lastIndexOf("\n\n");
  if (at === -1 || !note.endsWith("\n")) {
    throw new NoteError("A note has no empty line before its signatures");
  }
  const lines = note.slice(at + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw new NoteError(`A note has more than ${MAX_SIGNATURES} signatures`);
  return { text: note.slice(0, at + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line: string): NoteSignature {
  const [, name, encoded] = /^\u2014 (\P{White_Space}+) (\S+)$/u.exec(line) ?? [];
  const bytes = encoded === undefined ? undefined : decodeBase64(encoded);
  if (name === undefined || bytes === undefined || bytes.length < 5 || name.includes("+")) {
    throw new NoteError(`Expected a signature line, got "${line.slice(0, 100)}"`);
  }
  return { name, keyId: hex(bytes.subarray(0, 4)), blob: bytes.slice(4) };
}

/** The note as text. */
export function formatNote({ text, signatures }: SignedNote): string {
  const lines = signatures.map(({ name, keyId, blob }) => {
    const bytes = Buffer.concat([Buffer.from(keyId, "hex"), blob]);
    return `\u2014 ${name} ${encodeBase64(bytes)}\n`;
  });
  return `${text}\n${lines.join("")}`;
}

/** Signs a text that ends with a line break, once per signer. */
export function signNote(text: string, signers: readonly NoteSigner[]): string {
  if (!text.endsWith("\n")) throw new RangeError("Expected a text that ends with a line break");
  const signatures = signers.map((signer) => ({
    name: signer.name,
    keyId: signer.keyId,
    blob: signer.sign(text),
  }));
  return formatNote({ text, signatures });
}

/**
 * The verifiers whose signature a note carries. Signatures of other keys are ignored; a bad signature of a known key, of
 * whichever log or witness, makes the whole note worthless: `NoteError`.
 */
export function verifiedBy(note: SignedNote, verifiers: readonly NoteVerifier[]): ReadonlySet<NoteVerifier> {
  const found = new Set<NoteVerifier>();
  for (const { name, keyId, blob } of note.signatures) {
    for (const verifier of verifiers) {
      if (verifier.name !== name || verifier.keyId !== keyId) continue;
      if (!verifier.verify(note.text, blob)) {
        throw new NoteError(`The signature of "${name}" does not fit the note`);
      }
      found.add(verifier);
    }
  }
  return found;
}

/** Refuses a number of wanted witnesses that is none: below 0 every note would have enough. */
export function requireCount(witnessesNeeded = 0): void {
  if (Number.isSafeInteger(witnessesNeeded) && witnessesNeeded >= 0) return;
  throw new RangeError(`Expected a number of witnesses, got ${witnessesNeeded}`);
}

/** Signs as `name` with an Ed25519 private key. */
export function ed25519Signer(name: string, privateKey: KeyObject): NoteSigner {
  requireName(name);
  const key = rawPublicKey(createPublicKey(privateKey));
  return {
    name,
    keyId: keyIdOf(name, ED25519, key),
    sign: (text) => new Uint8Array(sign(null, Buffer.from(text, "utf8"), privateKey)),
  };
}

/** The one line that gives a verifier: `name+keyid+base64(type ‖ public key)`. */
export function formatVerifierKey(name: string, key: KeyObject): string {
  requireName(name);
  const raw = rawPublicKey(key.type === "private" ? createPublicKey(key) : key);
  const typed = Buffer.concat([Buffer.of(ED25519), raw]);
  return `${name}+${keyIdOf(name, ED25519, raw)}+${encodeBase64(typed)}`;
}

/** Reads a verifier key of a log (type 0x01) or of a witness (type 0x04); throws `NoteError`. */
export function parseVerifierKey(line: string): NoteVerifier {
  const [, name = "", keyId = "", encoded = ""] = /^([^+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(line.trim()) ?? [];
  const bytes = decodeBase64(encoded);
  if (!isName(name) || bytes === undefined || bytes.length !== 33) {
    throw new NoteError(`Expected a verifier key "name+keyid+base64", got "${line.slice(0, 100)}"`);
  }
  const [type, raw] = [bytes[0]!, bytes.subarray(1)];
  if (type !== ED25519 && type !== COSIGNATURE) {
    throw new NoteError(`Expected an Ed25519 verifier key (type 1 or 4), got type ${type}`);
  }
  if (keyIdOf(name, type, raw) !== keyId) throw new NoteError(`The key id "${keyId}" is not that of the key`);
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: "der", type: "spki" });
  const check = type === ED25519 ? checkEd25519 : checkCosignature;
  const named = (as: string): NoteVerifier => {
    requireName(as);
    return { name: as, keyId: keyIdOf(as, type, raw), verify: (text, blob) => check(key, text, blob), named };
  };
  return named(name);
}

/** Reads the verifier key of a witness, which is of type 0x04 alone; throws `NoteError`. */
export function parseWitnessKey(line: string): NoteVerifier {
  const verifier = parseVerifierKey(line);
  const type = decodeBase64(line.trim().split("+").slice(2).join("+"))?.[0];
  if (type === COSIGNATURE) return verifier;
  throw new NoteError(`Expected the verifier key of a witness (type 4), got type ${type}`);
}

function checkEd25519(key: KeyObject, text: string, blob: Uint8Array): boolean {
  return blob.length === 64 && verify(null, Buffer.from(text, "utf8"), key, blob);
}

/** `cosignature/v1`: eight bytes of time, then the signature of "cosignature/v1\ntime <seconds>\n" and the note's text. */
function checkCosignature(key: KeyObject, text: string, blob: Uint8Array): boolean {
  const seconds = cosignatureTime(blob);
  if (seconds === undefined) return false;
  const message = Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`, "utf8");
  return verify(null, message, key, blob.subarray(8));
}

/** When a witness cosigned, epoch seconds; `undefined` for a blob that is no cosignature. */
export function cosignatureTime(blob: Uint8Array): number | undefined {
  if (blob.length !== 72) return undefined;
  const seconds = Number(new DataView(blob.buffer, blob.byteOffset).getBigUint64(0));
  return Number.isSafeInteger(seconds) ? seconds : undefined;
}

function keyIdOf(name: string, type: number, raw: Uint8Array): string {
  const hash = createHash("sha256").update(`${name}\n`, "utf8").update(Uint8Array.of(type)).update(raw);
  return hash.digest("hex").slice(0, 8);
}

function rawPublicKey(key: KeyObject): Buffer {
  if (key.asymmetricKeyType !== "ed25519") {
    throw new NoteError(`Expected an Ed25519 key, got "${key.asymmetricKeyType}"`);
  }
  return key.export({ format: "der", type: "spki" }).subarray(SPKI_PREFIX.length);
}

function requireName(name: string): void {
  if (!isName(name)) {
    throw new NoteError(`Expected a key name without spaces and "+", got "${name.slice(0, 100)}"`);
  }
}

function isName(name: string): boolean {
  return name.length > 0 && name.length <= 512 && !/[\p{White_Space}+]/u.test(name) && name.isWellFormed();
}
