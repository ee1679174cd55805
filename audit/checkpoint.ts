/**
 * Checkpoints (C2SP tlog-checkpoint, https://c2sp.org/tlog-checkpoint): the signed statement that a chain had so many
 * events and this Merkle root. One log per chain; its origin is `<log origin>/<chain>`, which is also the name of its key.
 */
import { decodeBase64, encodeBase64 } from "../core/base64.ts";
import {
  NoteError,
  type NoteSigner,
  type NoteVerifier,
  parseNote,
  signNote,
  verifiedBy,
} from "./signed_note.ts";

/** What a checkpoint says. */
export interface Checkpoint {
  readonly origin: string;
  /** Number of events: the checkpoint covers sequence numbers 1 to `size`. */
  readonly size: number;
  /** RFC 6962 root over them, 32 bytes. */
  readonly root: Uint8Array;
  /** Further lines, which ours never have. */
  readonly extensions: readonly string[];
}

/** The origin of a chain's log. */
export function originOf(logOrigin: string, chain: string): string {
  return `${logOrigin}/${chain}`;
}

/** The chain whose log has this origin; `undefined` when that is none of the log origin. */
export function chainOf(logOrigin: string, origin: string): string | undefined {
  const chain = origin.startsWith(`${logOrigin}/`) ? origin.slice(logOrigin.length + 1) : "";
  return chain === "" || chain.includes("/") ? undefined : chain;
}

/** Whether a note claims to be one of the log `origin`, and not one of a name that the log had before; nothing is checked. */
export function isOfLog(note: string, origin: string): boolean {
  return note.startsWith(`${origin}\n`);
}

/** The text that is signed. */
export function checkpointText({ origin, size, root }: Omit<Checkpoint, "extensions">): string {
  return `${origin}\n${size}\n${encodeBase64(root)}\n`;
}

/** Makes a signed checkpoint. */
export function signCheckpoint(
  checkpoint: Omit<Checkpoint, "extensions">,
  signers: readonly NoteSigner[],
): string {
  return signNote(checkpointText(checkpoint), signers);
}

/** Reads the text of a checkpoint; throws `NoteError`. */
export function parseCheckpointText(text: string): Checkpoint {
  const [origin, size, root, ...rest] = text.split("\n");
  const extensions = rest.slice(0, -1);
  if (origin === undefined || origin === "" || rest.at(-1) !== "" || extensions.includes("")) {
    throw new NoteError("Expected a checkpoint: origin, size and root, one line each");
  }
  if (size === undefined || !/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) {
    throw new NoteError(`Expected the size of a checkpoint, got "${size?.slice(0, 40)}"`);
  }
  const bytes = decodeBase64(root ?? "");
  if (bytes?.length !== 32) {
    throw new NoteError(`Expected the root of a checkpoint in base64, got "${root?.slice(0, 60)}"`);
  }
  return { origin, size: Number(size), root: bytes, extensions };
}

/**
 * Reads a signed checkpoint of the log `origin`, signed by at least one of its keys; throws `NoteError`. `cosigners`: names
 * of the witnesses that have signed it too, each once: a witness with two keys is one witness.
 */
export function openCheckpoint(
  note: string,
  expected: {
    readonly origin: string;
    readonly keys: readonly NoteVerifier[];
    readonly witnesses?: readonly NoteVerifier[];
  },
): { readonly checkpoint: Checkpoint; readonly cosigners: readonly string[] } {
  const signed = parseNote(note);
  const checkpoint = parseCheckpointText(signed.text);
  if (checkpoint.origin !== expected.origin) {
    throw new NoteError(
      `Expected a checkpoint of "${expected.origin}", got "${checkpoint.origin.slice(0, 200)}"`,
    );
  }
  const { keys, witnesses = [] } = expected;
  const signers = verifiedBy(signed, [...keys, ...witnesses]);
  if (!keys.some((key) => key.name === expected.origin && signers.has(key))) {
    throw new NoteError(`No known key of "${expected.origin}" has signed the checkpoint`);
  }
  const names = witnesses.filter((witness) => signers.has(witness)).map(({ name }) => name);
  return { checkpoint, cosigners: [...new Set(names)].sort() };
}
