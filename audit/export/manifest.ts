/**
 * What an audit export says about itself, before its events. Everything in it is a claim that the verifier holds against the
 * signed checkpoint; nothing in it is trusted. See docs/reference/audit_export.md.
 */
import { Buffer } from "node:buffer";
import * as z from "zod";
import { INSTALLATION_CHAIN, MAX_EVENT_BYTES, UNVERIFIED_CHAIN } from "../../core/audit_entry.ts";
import { tenantName } from "../../core/config.ts";
import { TERM_NAMES } from "../event_terms.ts";

export const EXPORT_FORMAT = "intentgate-audit-export-v1";

/** Names of the files of an archive, in their order. */
export const MANIFEST_FILE = "manifest.json";
export const CHECKPOINT_FILE = "checkpoint";

/** Most events in one part, and most bytes that a part may have. */
export const PART_EVENTS = 1_000;
export const MAX_PART_BYTES = PART_EVENTS * 60_100;
export const MAX_MANIFEST_BYTES = 1024 * 1024;

/** What a filter can ask for; the times are epoch seconds as text. */
const FILTER_NAMES = [...TERM_NAMES, "from_time", "to_time"] as const;

const hash = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits");
const seq = z.int().min(1);
const hashes = z.array(hash).max(256);
/** So many code points: nothing that a terminal obeys instead of showing it, and no U+0000, which RFC 8785 cannot write. */
const text = (longest: number, shortest = 0) => {
  const pattern = new RegExp(`^\\P{Cc}{${shortest},${longest}}$`, "u");
  return z.string().regex(pattern, `${shortest} to ${longest} characters without control characters`);
};
/** An event with the proof that it stands in the tree, as for a range of one event. */
const proven = z.strictObject({
  seq,
  event: z.string().refine(isEventLength, `1 to ${MAX_EVENT_BYTES} bytes`),
  proof: hashes,
});

function isEventLength(event: string): boolean {
  return event !== "" && Buffer.byteLength(event, "utf8") <= MAX_EVENT_BYTES;
}

/** A closed list: a record of any names would let `__proto__` pass unseen. */
const filter = z.strictObject(
  Object.fromEntries(FILTER_NAMES.map((name) => [name, text(512).optional()])),
) as z.ZodType<Readonly<Record<string, string>>>;

export const manifestSchema = z.strictObject({
  format: z.literal(EXPORT_FORMAT),
  /** Origin of the log, which is the name of its key too. */
  origin: text(512, 1),
  log_id: text(64, 1),
  chain: z.union(
    [tenantName, z.enum([UNVERIFIED_CHAIN, INSTALLATION_CHAIN])],
    "expected the name of a chain",
  ),
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
  keys: z.array(text(600)).max(16),
  witness_keys: z.array(text(600)).max(16),
  /** What was asked for; events that it leaves out are redacted to their leaf hash. */
  filter: filter.optional(),
  /** What accounts for events at the beginning of the chain whose bodies are gone, see `audit/prune_record.ts`. */
  pruned: z.strictObject({ request: proven, event: proven }).optional(),
  generator: text(200),
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
