/**
 * Writes an audit export: manifest, checkpoint, then the events in parts. The same order always gives the same bytes, so a
 * download that broke off goes on at the next part. Memory grows neither with the number of events nor with their length.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { canonicalJson } from "../../core/canonical_json.ts";
import { hex } from "../digest.ts";
import { rangeProof } from "../merkle_range.ts";
import { consistencyProof, leafHash } from "../merkle_tree.ts";
import { tileNodes, type TreeStore } from "../tiles.ts";
import { eventPages, type PageSource } from "./event_pages.ts";
import {
  CHECKPOINT_FILE,
  EXPORT_FORMAT,
  type Manifest,
  MANIFEST_FILE,
  PART_EVENTS,
  partName,
  redactedLine,
} from "./manifest.ts";
import { type PrunedBeginning, prunedClaim, prunedLines, whyNotExportable } from "./pruned_part.ts";
import { TAR_END, tarFile, tarHeader, tarPadding } from "./tar.ts";

/** What an export reads; `store/audit_tree.ts`, `store/audit_search.ts` and `store/audit_events.ts` fit. */
export interface ExportSource extends TreeStore, PageSource {
  /** Chain hash after an event, lower-case hex; the genesis hash for 0. */
  hashAt(chain: string, seq: number): Promise<string>;
}

/** A checkpoint to hold the events against. */
export interface ExportCheckpoint {
  readonly size: number;
  /** The signed note, with the lines of its witnesses. */
  readonly note: string;
  /** Epoch seconds. */
  readonly signedAt: number;
}

/** Which events an export keeps; the others are redacted to their leaf hash. */
export interface ExportFilter {
  /** What was asked for, to be read in the manifest. */
  readonly terms: Readonly<Record<string, string>>;
  keeps(event: JsonObject): boolean;
}

/** What is wanted. */
export interface ExportOrder {
  readonly chain: string;
  readonly origin: string;
  readonly logId: string;
  /** First and last sequence number, both inside the checkpoint. */
  readonly first: number;
  readonly last: number;
  readonly checkpoint: ExportCheckpoint;
  /** Size of a checkpoint that the auditor holds: the export then proves that the log continues it. */
  readonly sinceSize?: number | undefined;
  readonly filter?: ExportFilter | undefined;
  /** The beginning of the chain whose bodies may be gone: it stands as digests. */
  readonly pruned?: PrunedBeginning | undefined;
  readonly keys: readonly string[];
  readonly witnessKeys: readonly string[];
  readonly generator: string;
  /** Goes on after this event, which must be the last of a part. */
  readonly resumeAfter?: number | undefined;
}

/** An export that cannot be made; says why. */
export class ExportError extends Error {
  override readonly name = "ExportError";
}

/** Bytes of a part that are kept between counting and sending them; a longer part is read twice. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024;
const NOTHING = new Uint8Array();

/** The bytes of the archive, a page of events at a time. Throws `ExportError` before the first byte when the order cannot be served. */
export async function* exportArchive(
  source: ExportSource,
  order: ExportOrder,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  requireRange(order);
  const modifiedAt = Math.floor(order.checkpoint.signedAt);
  let next = order.first;
  if (order.resumeAfter === undefined) {
    const manifest = canonicalJson(await manifestOf(source, order) as JsonObject);
    yield tarFile({ name: MANIFEST_FILE, content: encode(manifest) }, modifiedAt);
    yield tarFile({ name: CHECKPOINT_FILE, content: encode(order.checkpoint.note) }, modifiedAt);
  } else {
    next = order.resumeAfter + 1;
  }
  for (; next <= order.last; next += PART_EVENTS) {
    yield* partOf(source, order, {
      first: next,
      last: Math.min(order.last, next + PART_EVENTS - 1),
      modifiedAt,
    });
  }
  yield TAR_END;
}

/** The length of a part stands before its content, so the lines are counted first. */
async function* partOf(
  source: ExportSource,
  order: ExportOrder,
  { first, last, modifiedAt }: { readonly first: number; readonly last: number; readonly modifiedAt: number },
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const kept: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const lines of linesOf(source, order, first, last)) {
    size += lines.length;
    if (size <= MAX_KEPT_BYTES) kept.push(lines);
    yield NOTHING; // here it can be ended
  }
  yield tarHeader(partName(first), size, modifiedAt);
  let sent = 0;
  for await (const lines of size <= MAX_KEPT_BYTES ? kept : linesOf(source, order, first, last)) {
    sent += lines.length;
    yield lines;
  }
  if (sent !== size) throw new ExportError(`The events ${first} to ${last} changed while they were sent`);
  yield tarPadding(size);
}

/** The lines of a part, a page at a time. */
async function* linesOf(
  source: ExportSource,
  { chain, filter, pruned }: ExportOrder,
  first: number,
  last: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const border = Math.max(first - 1, Math.min(last, pruned?.to ?? 0));
  if (border >= first) yield encodeLines(await prunedLines(source, chain, first - 1, border));
  let found = 0;
  for await (const rows of eventPages(source, chain, { first: border + 1, last })) {
    found += rows.length;
    yield encodeLines(rows.map(({ canonical }) => lineOf(canonical, filter)));
  }
  if (found === last - border) return;
  throw new ExportError(`Expected the events ${border + 1} to ${last}, found ${found} of them`);
}

function encodeLines(lines: readonly string[]): Uint8Array<ArrayBuffer> {
  return encode(lines.map((line) => `${line}\n`).join(""));
}

function requireRange({ first, last, checkpoint, sinceSize, resumeAfter, pruned }: ExportOrder): void {
  if (!(1 <= first && first <= last && last <= checkpoint.size)) {
    throw new ExportError(
      `Expected events between 1 and ${checkpoint.size}, the last that is signed, got ${first} to ${last}`,
    );
  }
  const why = pruned && whyNotExportable(pruned, { first, last, size: checkpoint.size });
  if (why !== undefined) throw new ExportError(why);
  if (sinceSize !== undefined && !(1 <= sinceSize && sinceSize <= checkpoint.size)) {
    throw new ExportError(`Expected an earlier size up to ${checkpoint.size}, got ${sinceSize}`);
  }
  if (resumeAfter === undefined) return;
  const isPartEnd = resumeAfter === last ||
    (resumeAfter >= first && resumeAfter < last && (resumeAfter - first + 1) % PART_EVENTS === 0);
  if (!isPartEnd) throw new ExportError(`Expected the last event of a part, got ${resumeAfter}`);
}

async function manifestOf(source: ExportSource, order: ExportOrder): Promise<Manifest> {
  const { chain, first, last, checkpoint: { size }, sinceSize, filter } = order;
  const read = tileNodes(source, chain, size);
  const proof = await rangeProof(first - 1, last, size, read);
  const pruned = await prunedClaim(order.pruned, { first, size, read });
  return {
    format: EXPORT_FORMAT,
    origin: order.origin,
    log_id: order.logId,
    chain,
    first,
    last,
    ...(filter === undefined
      ? {
        chain_hash: {
          before: await source.hashAt(chain, first - 1),
          after: await source.hashAt(chain, last),
        },
      }
      : { filter: { ...filter.terms } }),
    tree: { size, range_proof: proof.map(hex) },
    ...(sinceSize === undefined ? {} : {
      consistency: {
        size: sinceSize,
        proof: (await consistencyProof(sinceSize, size, read)).map(hex),
      },
    }),
    keys: [...order.keys],
    witness_keys: [...order.witnessKeys],
    ...pruned,
    generator: order.generator,
  };
}

function lineOf(entry: string, filter: ExportFilter | undefined): string {
  if (filter === undefined) return entry;
  const event: JsonValue = JSON.parse(entry);
  return isJsonObject(event) && filter.keeps(event) ? entry : redactedLine(hex(leafHash(entry)));
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
