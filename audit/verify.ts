/** Recomputes a chain from its genesis and compares it with what the database holds. */
import type { AuditRow } from "../core/audit_entry.ts";
import { genesisHash, hex, nextHash } from "./digest.ts";

/** What verification reads; `store/audit_events.ts` fits. */
export interface ChainReader {
  head(chain: string): Promise<{ readonly seq: number; readonly hash: string } | undefined>;
  read(chain: string, afterSeq: number, limit: number): Promise<readonly AuditRow[]>;
}

/** Where a chain stops being what it claims, with what was expected there and what was found. */
export interface ChainBreak {
  readonly seq: number;
  readonly what: "missing" | "hash" | "head" | "extra";
  readonly expected: string;
  readonly found: string;
}

export interface VerifyReport {
  readonly verdict: "verified" | "broken" | "unproven";
  readonly chain: string;
  /** Events that were recomputed, and the head they lead to. */
  readonly events: number;
  readonly head: { readonly seq: number; readonly hash: string };
  readonly broken?: ChainBreak;
  /** Why nothing can be said, for `unproven`. */
  readonly reason?: string;
}

const PAGE = 1_000;

/**
 * Verifies one chain as of its head when the verification began. `verified` means: from the genesis hash to that head
 * no event is missing, changed, added or moved, as far as the database's own head is right. Without a signed checkpoint
 * outside the database nothing stronger can be claimed.
 */
export async function verifyChain(
  reader: ChainReader,
  logId: string,
  chain: string,
  signal?: AbortSignal,
): Promise<VerifyReport> {
  const head = await reader.head(chain);
  const genesis = genesisHash(logId, chain);
  if (head === undefined) return withoutHead(reader, chain, hex(genesis));
  let hash = genesis;
  let seq = 0;
  const report = (rest: Partial<VerifyReport> & Pick<VerifyReport, "verdict">): VerifyReport => ({
    chain,
    events: seq,
    head: { seq, hash: hex(hash) },
    ...rest,
  });
  while (seq < head.seq) {
    if (signal?.aborted) return report({ verdict: "unproven", reason: "the time limit was reached" });
    const rows = await reader.read(chain, seq, PAGE);
    if (rows.length === 0) {
      return report({ verdict: "broken", broken: missing(seq + 1, `${head.seq} events`, `${seq} events`) });
    }
    for (const row of rows) {
      if (seq === head.seq) break;
      if (row.seq !== seq + 1) {
        return report({
          verdict: "broken",
          broken: missing(seq + 1, `event ${seq + 1}`, `event ${row.seq}`),
        });
      }
      const expected = nextHash(hash, row.canonical);
      if (hex(expected) !== row.hash) {
        const broken: ChainBreak = { seq: row.seq, what: "hash", expected: hex(expected), found: row.hash };
        return report({ verdict: "broken", broken });
      }
      hash = expected;
      seq = row.seq;
    }
  }
  if (hex(hash) !== head.hash) {
    return report({
      verdict: "broken",
      broken: { seq, what: "head", expected: hex(hash), found: head.hash },
    });
  }
  return await noneBeyond(reader, chain, head, report);
}

function missing(seq: number, expected: string, found: string): ChainBreak {
  return { seq, what: "missing", expected, found };
}

async function withoutHead(reader: ChainReader, chain: string, genesis: string): Promise<VerifyReport> {
  const rows = await reader.read(chain, 0, 1);
  const base = { chain, events: 0, head: { seq: 0, hash: genesis } };
  if (rows.length === 0) return { ...base, verdict: "unproven", reason: "no such chain" };
  const broken: ChainBreak = { seq: 0, what: "head", expected: "a head", found: "events without a head" };
  return { ...base, verdict: "broken", broken };
}

/** Events past the head belong to appends after the verification began, so the head must have moved with them. */
async function noneBeyond(
  reader: ChainReader,
  chain: string,
  head: { readonly seq: number; readonly hash: string },
  report: (rest: Pick<VerifyReport, "verdict" | "broken">) => VerifyReport,
): Promise<VerifyReport> {
  const beyond = (await reader.read(chain, head.seq, 1))[0];
  if (beyond !== undefined) {
    const now = await reader.head(chain);
    if (now === undefined || now.seq < beyond.seq) {
      const broken: ChainBreak = {
        seq: beyond.seq,
        what: "extra",
        expected: `no event after ${head.seq}`,
        found: `event ${beyond.seq}`,
      };
      return report({ verdict: "broken", broken });
    }
  }
  return report({ verdict: "verified" });
}
