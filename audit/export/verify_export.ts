/**
 * Checks an audit export with nothing but the archive and what the auditor already holds: the log's key, and perhaps a
 * checkpoint from earlier. `tools/verify_export.py` is written independently of it and must always agree.
 */
import { Buffer } from "node:buffer";
import type { z } from "zod";
import { canonicalJson } from "../../core/canonical_json.ts";
import type { JsonObject } from "../../core/json.ts";
import { type Checkpoint, openCheckpoint } from "../checkpoint.ts";
import { LeafRun, rootOfRange } from "../merkle_range.ts";
import { equal, verifyConsistency } from "../merkle_tree.ts";
import { NoteError, type NoteVerifier, requireCount } from "../signed_note.ts";
import {
  CHECKPOINT_FILE,
  type Manifest,
  MANIFEST_FILE,
  manifestSchema,
  MAX_MANIFEST_BYTES,
  MAX_PART_BYTES,
  PART_EVENTS,
  partName,
  redactedLeaf,
} from "./manifest.ts";
import { EventCheck } from "../event_check.ts";
import { PruneError, type PruneRecord } from "../prune_record.ts";
import { checkOf, claimedRecord, isProven, prunedLeaf } from "./pruned_part.ts";
import { readTar, TarError, type TarFile } from "./tar.ts";

/** What the auditor brings along. */
export interface AuditorKnowledge {
  /** Verifier keys of the log. Without any, nothing can be proven. */
  readonly keys: readonly NoteVerifier[];
  readonly witnesses?: readonly NoteVerifier[];
  /** How many of the witnesses must have cosigned; one with two keys counts once. */
  readonly witnessesNeeded?: number;
  /** A signed checkpoint from earlier or from elsewhere, which the export's tree must continue or be continued by. */
  readonly checkpoint?: string;
  /** Tenant or chain that the export must be of. */
  readonly chain?: string;
}

/** Codes of what can be wrong; the same in every verifier. */
export type ExportFault =
  | "archive"
  | "manifest"
  | "wrong_chain"
  | "checkpoint"
  | "signature"
  | "parts"
  | "event"
  | "mixed_chain"
  | "chain_hash"
  | "root"
  | "consistency"
  | "outcome"
  | "pruned";

export interface ExportReport {
  readonly verdict: "verified" | "broken" | "unproven";
  readonly code?: ExportFault | "no_key" | "not_cosigned" | "no_consistency_proof";
  readonly detail?: string;
  readonly chain?: string;
  readonly first?: number;
  readonly last?: number;
  /** Size of the checkpoint that the events were held against. */
  readonly size?: number;
  readonly events: number;
  readonly redacted: number;
  /** The events of the chain whose bodies are gone; the event `seq` accounts for them. */
  readonly pruned?: { readonly first: number; readonly last: number; readonly seq: number };
  /** Names of the witnesses that cosigned, each once. */
  readonly cosigners: readonly string[];
  /** Allowed calls whose outcome stands after the last event. */
  readonly open: number;
}

/** A fault found in the archive: the export is broken. */
class Broken extends Error {
  override readonly name = "Broken";
  constructor(readonly code: ExportFault, message: string) {
    super(message);
  }
}

/** Verifies one archive from its first to its last byte; memory does not grow with its length. */
export async function verifyExport(
  chunks: AsyncIterable<Uint8Array>,
  knowledge: AuditorKnowledge,
): Promise<ExportReport> {
  requireCount(knowledge.witnessesNeeded);
  const progress = { events: 0, redacted: 0 };
  let manifest: Manifest | undefined;
  try {
    const files = readTar(chunks, MAX_PART_BYTES);
    manifest = readManifest(await nextFile(files, MANIFEST_FILE), knowledge);
    const note = await nextFile(files, CHECKPOINT_FILE);
    const opened = knowledge.keys.length === 0 ? undefined : openSigned(note, manifest, knowledge);
    const record = claimedRecord(manifest);
    const { run, check } = await readEvents(files, manifest, record, progress);
    check.end(manifest.chain_hash?.after);
    const root = rootOfRange(run, manifest.tree.size, fromHex(manifest.tree.range_proof));
    if (root === undefined) throw new Broken("root", "The range proof does not fit the range");
    if (opened !== undefined && !equal(root, opened.checkpoint.root)) {
      throw new Broken("root", "The events do not lead to the root of the checkpoint");
    }
    if (!isProven(manifest, root)) throw new PruneError("The prune does not stand in the tree");
    const pruned = record && { first: 1, last: record.to, seq: manifest.pruned?.event.seq ?? 0 };
    const known = { manifest, ...progress, open: check.open, pruned };
    if (opened === undefined) {
      return report(known, { verdict: "unproven", code: "no_key", detail: "No key of the log was given" });
    }
    const { checkpoint, cosigners } = opened;
    return { ...report(known, against(checkpoint, manifest, knowledge, cosigners.length)), cosigners };
  } catch (error) {
    const { code, message } = asBroken(error);
    return report({ manifest, ...progress, open: 0 }, { verdict: "broken", code, detail: message });
  }
}

function asBroken(error: unknown): Broken {
  if (error instanceof Broken) return error;
  if (error instanceof TarError) return new Broken("archive", error.message);
  if (error instanceof PruneError) return new Broken("pruned", error.message);
  if (error instanceof EventCheck.Fault) return new Broken(error.code, error.message);
  throw error;
}

async function nextFile(files: AsyncGenerator<TarFile>, name: string): Promise<TarFile> {
  const { done, value } = await files.next();
  if (done === true || value.name !== name) {
    throw new Broken("archive", `Expected "${name}", found ${done === true ? "the end" : `"${value.name}"`}`);
  }
  return value;
}

function readManifest({ content }: TarFile, knowledge: AuditorKnowledge): Manifest {
  if (content.length > MAX_MANIFEST_BYTES) throw new Broken("manifest", "The manifest is too long");
  const parsed = manifestSchema.safeParse(parseCanonical(content));
  if (!parsed.success) throw new Broken("manifest", issueText(parsed.error.issues[0]));
  const manifest = parsed.data;
  if (manifest.first > manifest.last || manifest.last > manifest.tree.size) {
    throw new Broken("manifest", "The range is not one of the tree");
  }
  if (!manifest.origin.endsWith(`/${manifest.chain}`)) {
    throw new Broken("manifest", `The origin "${manifest.origin}" is not that of chain "${manifest.chain}"`);
  }
  if ((manifest.chain_hash === undefined) !== (manifest.filter !== undefined)) {
    throw new Broken("manifest", "Either chain hashes or a filter must be given");
  }
  if (knowledge.chain !== undefined && knowledge.chain !== manifest.chain) {
    throw new Broken(
      "wrong_chain",
      `Expected chain "${knowledge.chain}", the export is of "${manifest.chain}"`,
    );
  }
  return manifest;
}

/** The value of JSON in its one canonical spelling: two readers cannot see two manifests. */
function parseCanonical(content: Uint8Array): unknown {
  let value: JsonObject;
  let isCanonical: boolean;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
    value = JSON.parse(text);
    isCanonical = canonicalJson(value) === text;
  } catch {
    throw new Broken("manifest", "The manifest is no JSON");
  }
  if (!isCanonical) throw new Broken("manifest", "The manifest is not canonical JSON");
  return value;
}

function issueText(issue: z.core.$ZodIssue | undefined): string {
  return `"${issue?.path.join(".") ?? ""}": ${issue?.message ?? "unreadable"}`.slice(0, 300);
}

function openSigned({ content }: TarFile, manifest: Manifest, knowledge: AuditorKnowledge) {
  const note = utf8(content);
  if (note === undefined) throw new Broken("signature", "The checkpoint is not UTF-8");
  try {
    const witnesses = knowledge.witnesses ?? [];
    const opened = openCheckpoint(note, { origin: manifest.origin, keys: knowledge.keys, witnesses });
    if (opened.checkpoint.size !== manifest.tree.size) {
      throw new Broken("checkpoint", `The checkpoint is of size ${opened.checkpoint.size}`);
    }
    return opened;
  } catch (error) {
    if (error instanceof NoteError) throw new Broken("signature", error.message);
    throw error;
  }
}

async function readEvents(
  files: AsyncGenerator<TarFile>,
  manifest: Manifest,
  record: PruneRecord | undefined,
  progress: { events: number; redacted: number },
): Promise<{ readonly run: LeafRun; readonly check: EventCheck }> {
  const run = new LeafRun(manifest.first - 1);
  const check = checkOf(manifest, record);
  for await (const file of files) {
    const lines = linesOf(file, run.end + 1, manifest.last);
    for (const line of lines) {
      const redacted = redactedLeaf(line);
      const pruned = prunedLeaf(line);
      if ((pruned === undefined) === (run.end < (record?.to ?? 0))) {
        throw new PruneError(`Event ${run.end + 1} is gone where it must be there, or the other way round`);
      }
      if (pruned !== undefined) run.push(Buffer.from(pruned, "hex"));
      else if (redacted === undefined) {
        check.take(line, run.end + 1);
        run.pushHex(check.leafHash(line));
        progress.events++;
      } else if (manifest.filter === undefined) {
        throw new Broken("event", `Event ${run.end + 1} is redacted although there is no filter`);
      } else {
        run.push(Buffer.from(redacted, "hex"));
        progress.redacted++;
      }
    }
  }
  if (run.end !== manifest.last) {
    throw new Broken("parts", `Expected events up to ${manifest.last}, the archive ends with ${run.end}`);
  }
  return { run, check };
}

/** The lines of the part that begins with `firstSeq`; every part but the last is full. */
function linesOf(file: TarFile, firstSeq: number, last: number): string[] {
  if (firstSeq > last || file.name !== partName(firstSeq)) {
    throw new Broken("parts", `"${file.name}" is not the part that begins with event ${firstSeq}`);
  }
  const text = utf8(file.content);
  if (text === undefined) throw new Broken("event", `"${file.name}" is not UTF-8`);
  const lines = text.split("\n");
  const expected = Math.min(PART_EVENTS, last - firstSeq + 1);
  if (lines.pop() !== "" || lines.length !== expected) {
    throw new Broken("parts", `Expected ${expected} lines in "${file.name}", found ${lines.length}`);
  }
  return lines;
}

/** What the auditor's own checkpoint and witnesses say, once everything else holds. */
function against(
  now: Checkpoint,
  manifest: Manifest,
  knowledge: AuditorKnowledge,
  cosigners: number,
): Pick<ExportReport, "verdict" | "code" | "detail"> {
  const needed = knowledge.witnessesNeeded ?? 0;
  if (knowledge.checkpoint !== undefined) {
    const unproven = followsEarlier(now, manifest, knowledge.checkpoint, knowledge.keys);
    if (unproven !== undefined) {
      return { verdict: "unproven", code: "no_consistency_proof", detail: unproven };
    }
  }
  if (cosigners < needed) {
    const detail = `Expected ${needed} cosignatures of known witnesses, found ${cosigners}`;
    return { verdict: "unproven", code: "not_cosigned", detail };
  }
  return { verdict: "verified" };
}

/** Why it cannot be told, `undefined` when the checkpoint continues the earlier one; throws when it does not. */
function followsEarlier(
  now: Checkpoint,
  manifest: Manifest,
  note: string,
  keys: readonly NoteVerifier[],
): string | undefined {
  let earlier: Checkpoint;
  try {
    earlier = openCheckpoint(note, { origin: manifest.origin, keys }).checkpoint;
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    throw new Broken("signature", `The auditor's checkpoint: ${error.message}`);
  }
  if (earlier.size > now.size) {
    throw new Broken(
      "consistency",
      `The log had ${earlier.size} events before, the export's has ${now.size}`,
    );
  }
  const proof = earlier.size === now.size || earlier.size === 0
    ? []
    : manifest.consistency?.size === earlier.size
    ? fromHex(manifest.consistency.proof)
    : undefined;
  if (proof === undefined) return `The export has no consistency proof from size ${earlier.size}`;
  if (verifyConsistency(earlier, now, proof)) return undefined;
  throw new Broken("consistency", `The log does not begin with its checkpoint of size ${earlier.size}`);
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function fromHex(hashes: readonly string[]): Uint8Array[] {
  return hashes.map((hash) => Buffer.from(hash, "hex"));
}

function report(
  known: {
    readonly manifest: Manifest | undefined;
    readonly events: number;
    readonly redacted: number;
    readonly open: number;
    readonly pruned?: ExportReport["pruned"];
  },
  verdict: Pick<ExportReport, "verdict" | "code" | "detail">,
): ExportReport {
  const { manifest, events, redacted, open, pruned } = known;
  const about = manifest === undefined
    ? {}
    : { chain: manifest.chain, first: manifest.first, last: manifest.last, size: manifest.tree.size };
  const gone = pruned === undefined ? {} : { pruned };
  return { ...verdict, ...about, ...gone, events, redacted, open, cosigners: [] };
}
