/** Reads a chain row by row, recomputes hash chain and tree, and stops at the first row that is not what it claims. */
import type { AuditRow } from "../core/audit_entry.ts";
import { EventCheck, type EventFaultCode } from "./event_check.ts";
import { LeafRun } from "./merkle_range.ts";
import { rowPages, type RowReader } from "./row_pages.ts";

/** Where a chain stops being what it claims, with what was expected there and what was found. */
export interface ChainBreak {
  readonly seq: number;
  readonly what:
    | "missing"
    | "hash"
    | "head"
    | "extra"
    | "checkpoint"
    | "signature"
    | "expected"
    | "pruned"
    | EventFaultCode;
  readonly expected: string;
  readonly found: string;
}

/** How gently a walk goes. */
export interface Pace {
  readonly pageEvents: number;
  readonly pauseMs: number;
}

export interface WalkOrder {
  readonly chain: string;
  /** Number of the last event to read. */
  readonly last: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((seq: number) => void) | undefined;
  /** Reads fewer events at once and rests in between, so that others get their turn. */
  readonly pace?: Pace | undefined;
  /** Sizes at which the root of the tree is wanted. */
  readonly rootsAt: readonly number[];
}

/** How far a walk came. */
export interface WalkResult {
  readonly seq: number;
  readonly broken?: ChainBreak;
  readonly isAborted: boolean;
  /** Root of the tree by size. */
  readonly roots: ReadonlyMap<number, Uint8Array>;
}

const PAGE = 1_000;
/** Read while one is recomputed: enough that neither the database nor we ever wait for the other. */
const PAGES_AHEAD = 2;

/** Walks from where run and check stand to `last`. The next pages are read while one is recomputed. */
export async function walkChain(
  reader: RowReader,
  { chain, last, signal, onProgress, rootsAt, pace }: WalkOrder,
  run: LeafRun,
  check: EventCheck,
): Promise<WalkResult> {
  const roots = new Map<number, Uint8Array>();
  const wanted = new Set(rootsAt);
  const noteRoot = () => {
    if (wanted.has(run.end)) roots.set(run.end, run.root());
  };
  const end = (rest: Partial<WalkResult>): WalkResult => ({ seq: run.end, isAborted: false, roots, ...rest });
  noteRoot();
  const pages = rowPages(reader, {
    ...{ chain, after: run.end, last, signal, pageEvents: pace?.pageEvents ?? PAGE },
    ahead: pace === undefined ? PAGES_AHEAD : 1,
  });
  for await (const rows of pages) {
    for (const row of rows) {
      const broken = takeRow(row, run, check);
      if (broken !== undefined) return end({ broken });
      noteRoot();
    }
    onProgress?.(run.end);
    if (pace !== undefined) await new Promise((resolve) => setTimeout(resolve, pace.pauseMs));
  }
  if (run.end >= last) return end({});
  if (signal?.aborted === true) return end({ isAborted: true });
  return end({ broken: missing(run.end + 1, `${last} events`, `${run.end} events`) });
}

function takeRow(row: AuditRow, run: LeafRun, check: EventCheck): ChainBreak | undefined {
  const seq = run.end + 1;
  if (row.seq !== seq) return missing(seq, `event ${seq}`, `event ${row.seq}`);
  // The hash is compared first: what an event says counts only when it is the event that was appended.
  const expected = check.hashAfter(row.canonical);
  if (expected !== row.hash) return { seq, what: "hash", expected: expected ?? "", found: row.hash };
  try {
    check.take(row.canonical, seq);
  } catch (error) {
    if (!(error instanceof EventCheck.Fault)) throw error;
    return { seq, what: error.code, expected: "an event that fits its chain", found: error.message };
  }
  run.pushHex(check.leafHash(row.canonical));
  return undefined;
}

function missing(seq: number, expected: string, found: string): ChainBreak {
  return { seq, what: "missing", expected, found };
}
