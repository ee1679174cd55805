/**
 * Proofs that one event stands in a log, as files (C2SP tlog-proof, https://c2sp.org/tlog-proof): index, inclusion proof and
 * checkpoint. `extra` carries the event's canonical JSON, so that the file is all that a verifier needs besides the key.
 */
import { decodeBase64, encodeBase64 } from "../core/base64.ts";
import { openCheckpoint } from "./checkpoint.ts";
import {
  equal,
  type Hash,
  inclusionProof,
  leafHash,
  type NodeReader,
  rootOfInclusion,
} from "./merkle_tree.ts";
import { NoteError, type NoteVerifier, requireCount } from "./signed_note.ts";

/** What a proof file says. */
export interface LogProof {
  /** Canonical JSON of the event; the proof is about its bytes. */
  readonly event: string;
  /** Leaf of the tree: the event's sequence number less one. */
  readonly index: number;
  readonly hashes: readonly Hash[];
  /** The signed checkpoint. */
  readonly note: string;
}

/** What a proof file was found to prove. */
export interface ProofReport {
  readonly verdict: "verified" | "broken" | "unproven";
  readonly detail?: string;
  readonly seq?: number;
  readonly size?: number;
  readonly event?: string;
  readonly cosigners: readonly string[];
}

/** A text that is no such proof; says what is wrong. */
export class ProofError extends Error {
  override readonly name = "ProofError";
}

const HEADER = "c2sp.org/tlog-proof@v1";
/** A path of a tree with 2^53 leaves has no more hashes. */
const MAX_HASHES = 64;
/** An event of 60,000 bytes in base64, hashes, and a checkpoint with its cosignatures. */
const MAX_LENGTH = 1024 * 1024;

/** Makes the proof of the event `seq` under a checkpoint of `size` events. */
export async function makeLogProof(
  { event, seq, checkpoint, read }: {
    readonly event: string;
    readonly seq: number;
    readonly checkpoint: { readonly size: number; readonly note: string };
    readonly read: NodeReader;
  },
): Promise<string> {
  const index = seq - 1;
  const hashes = await inclusionProof(index, checkpoint.size, read);
  return formatLogProof({ event, index, hashes, note: checkpoint.note });
}

/** The proof as text. */
export function formatLogProof({ event, index, hashes, note }: LogProof): string {
  const lines = [
    HEADER,
    `extra ${encodeBase64(new TextEncoder().encode(event))}`,
    `index ${index}`,
    ...hashes.map(encodeBase64),
  ];
  return `${lines.join("\n")}\n\n${note}`;
}

/** Reads a proof; throws `ProofError`. Nothing is proven by that. */
export function parseLogProof(text: string): LogProof {
  const at = text.indexOf("\n\n");
  if (text.length > MAX_LENGTH || at === -1) throw new ProofError("Expected a tlog-proof and its checkpoint");
  const [header, extra = "", index = "", ...hashes] = text.slice(0, at).split("\n");
  if (header !== HEADER) throw new ProofError(`Expected "${HEADER}", got "${header?.slice(0, 80)}"`);
  const event = decodeBase64(/^extra (\S+)$/.exec(extra)?.[1] ?? "");
  if (event === undefined || event.length === 0) {
    throw new ProofError("Expected the event in a line that begins with extra");
  }
  const digits = /^index (0|[1-9]\d{0,15})$/.exec(index)?.[1];
  if (digits === undefined || !Number.isSafeInteger(Number(digits))) {
    throw new ProofError(`Expected the index of an event, got "${index.slice(0, 80)}"`);
  }
  if (hashes.length > MAX_HASHES) throw new ProofError(`A proof has more than ${MAX_HASHES} hashes`);
  return {
    event: utf8(event),
    index: Number(digits),
    hashes: hashes.map((line) => {
      const hash = decodeBase64(line);
      if (hash?.length !== 32) {
        throw new ProofError(`Expected a SHA-256 in base64, got "${line.slice(0, 80)}"`);
      }
      return hash;
    }),
    note: text.slice(at + 2),
  };
}

/** Checks a proof file with nothing but the keys that the auditor has: the origin is that of the keys. */
export function verifyLogProof(
  text: string,
  knowledge: {
    readonly keys: readonly NoteVerifier[];
    readonly witnesses?: readonly NoteVerifier[];
    readonly witnessesNeeded?: number;
  },
): ProofReport {
  requireCount(knowledge.witnessesNeeded);
  try {
    const proof = parseLogProof(text);
    if (knowledge.keys.length === 0) {
      return { verdict: "unproven", detail: "No key of the log was given", cosigners: [] };
    }
    return heldAgainstKeys(proof, knowledge);
  } catch (error) {
    if (!(error instanceof ProofError || error instanceof NoteError)) throw error;
    return { verdict: "broken", detail: error.message, cosigners: [] };
  }
}

function heldAgainstKeys(
  { event, index, hashes, note }: LogProof,
  { keys, witnesses = [], witnessesNeeded = 0 }: Parameters<typeof verifyLogProof>[1],
): ProofReport {
  const origin = note.slice(0, note.indexOf("\n"));
  const { checkpoint, cosigners } = openCheckpoint(note, { origin, keys, witnesses });
  const root = rootOfInclusion(leafHash(event), index, checkpoint.size, hashes);
  if (root === undefined || !equal(root, checkpoint.root)) {
    throw new ProofError("The event and the proof do not lead to the root of the checkpoint");
  }
  const found = { seq: index + 1, size: checkpoint.size, event, cosigners };
  if (cosigners.length >= witnessesNeeded) return { verdict: "verified", ...found };
  const detail = `Expected ${witnessesNeeded} cosignatures of known witnesses, found ${cosigners.length}`;
  return { verdict: "unproven", detail, ...found };
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ProofError("The event is not UTF-8");
  }
}
