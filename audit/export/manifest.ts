/**
 * What an audit export says about itself, before its events. Everything in it is a claim that the verifier holds against the
 * signed checkpoint; nothing in it is trusted. See docs/reference/audit_export.md.
 */
import * as z from "zod";

export const EXPORT_FORMAT = "intentgate-audit-export-v1";

/** Names of the files of an archive, in their order. */
export const MANIFEST_FILE = "manifest.json";
export const CHECKPOINT_FILE = "checkpoint";

/** Most events in one part, and most bytes that a part may have. */
export const PART_EVENTS = 1_000;
export const MAX_PART_BYTES = PART_EVENTS * 60_100;
export const MAX_MANIFEST_BYTES = 1024 * 1024;

const hash = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits");
const seq = z.int().min(1);
const hashes = z.array(hash).max(256);
/** An event with the proof that it stands in the tree, as for a range of one event. */
const proven = z.strictObject({ seq, event: z.string().min(1).max(60_000), proof: hashes });

export const manifestSchema = z.strictObject({
  format: z.literal(EXPORT_FORMAT),
  /** Origin of the log, which is the name of its key too. */
  origin: z.string().min(1).max(512),
  log_id: z.string().min(1).max(64),
  chain: z.string().min(1).max(64),
  /** Sequence numbers of the first and the last event. */
  first: seq,
  last: seq,
  /** Chain hash before the first and after the last event; absent when events are redacted. */
  chain_hash: z.strictObject({ before: hash, after: hash }).optional(),
  tree: z.strictObject({
    /** Size of the checkpoint. */
    size: seq,
    /** Proof that the events stand in the tree, see `audit/merkle_range.ts`. */
    range_proof: hashes,
  }),
  /** That the tree begins with an earlier one that the auditor holds a checkpoint of. */
  consistency: z.strictObject({ size: seq, proof: hashes }).optional(),
  /** Verifier keys of the log, and of witnesses: for convenience, the auditor has them from elsewhere. */
  keys: z.array(z.string().max(600)).max(16),
  witness_keys: z.array(z.string().max(600)).max(16),
  /** What was asked for; events that it leaves out are redacted to their leaf hash. */
  filter: z.record(z.string().max(64), z.string().max(512)).optional(),
  /** What accounts for events at the beginning of the chain whose bodies are gone, see `audit/prune_record.ts`. */
  pruned: z.strictObject({ request: proven, event: proven }).optional(),
  generator: z.string().max(200),
});

export type Manifest = z.infer<typeof manifestSchema>;

/** Name of the part that begins with this event. */
export function partName(firstSeq: number): string {
  return `events/${String(firstSeq).padStart(16, "0")}.ndjson`;
}

/** The line of an event that a filter leaves out: its leaf hash. No audit event looks like it. */
export function redactedLine(leaf: string): string {
  return `{"redacted":"${leaf}"}`;
}

/** The leaf hash of a redacted line, `undefined` for an event. */
export function redactedLeaf(line: string): string | undefined {
  return /^\{"redacted":"([0-9a-f]{64})"\}$/.exec(line)?.[1];
}
