/**
 * Verifies one chain: recomputes hash chain and Merkle tree from the stored events, and holds them against the database's
 * head, the last signed checkpoint, and the one that the asker expects.
 */
import { type ChainBreak, type Pace, walkChain } from "./chain_walk.ts";
import { type Checkpoint, openCheckpoint } from "./checkpoint.ts";
import { genesisHash, hex } from "./digest.ts";
import { EventCheck } from "./event_check.ts";
import type { StoredCheckpoint } from "./log_signer.ts";
import { LeafRun, resumeRun } from "./merkle_range.ts";
import { equal, treeRoot } from "./merkle_tree.ts";
import { PrunedBreak, type PrunedReader, readPruneRecord, walkPruned } from "./pruned_walk.ts";
import { NoteError, type NoteVerifier } from "./signed_note.ts";
import { TileError, tileNodes } from "./tiles.ts";

/** What verification reads; `store/audit_events.ts`, `store/audit_tree.ts` and `store/audit_prunes.ts` fit. */
export interface ChainReader extends PrunedReader {
  head(chain: string): Promise<{ readonly seq: number; readonly hash: string } | undefined>;
  latestCheckpoint(chain: string): Promise<StoredCheckpoint | undefined>;
  /** The newest checkpoint that covers at most `size` events. */
  checkpointUpTo(chain: string, size: number): Promise<StoredCheckpoint | undefined>;
  /** Which of these decisions the database still knows as open. */
  stillOpen(chain: string, decisionIds: readonly string[]): Promise<readonly string[]>;
  /** When an event was appended, epoch seconds. */
  appendedAt(chain: string, seq: number): Promise<number | undefined>;
}

export interface VerifyOrder {
  readonly chain: string;
  readonly logId: string;
  readonly origin: string;
  /** Keys that checkpoints may be signed with. */
  readonly keys: readonly NoteVerifier[];
  /** A signed checkpoint that the asker holds: the chain must continue it. */
  readonly expected?: string | undefined;
  /** A signed checkpoint that was verified before: the walk begins after it. */
  readonly since?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((seq: number, last: number) => void) | undefined;
  readonly nowMs: () => number;
  /** At least about so many events lie between two checkpoints that are looked at on the way. */
  readonly waypointEvents?: number;
  /** Absent: as fast as it can. */
  readonly pace?: Pace | undefined;
}

export interface VerifyReport {
  readonly verdict: "verified" | "broken" | "unproven";
  readonly chain: string;
  /** Events that were recomputed: from `first` on, `events` of them; what stands before was verified earlier. */
  readonly first: number;
  readonly events: number;
  /** Number of the last event when the verification began. */
  readonly last: number;
  /** Where the recomputation arrived. */
  readonly head: { readonly seq: number; readonly hash: string };
  /** The last signed checkpoint that covers recomputed events. */
  readonly checkpoint?: {
    readonly size: number;
    readonly root: string;
    readonly note: string;
    readonly signedAt: number;
  };
  /** The last signed checkpoint up to which everything held, also when time ran out after it: a later `since`. */
  readonly verifiedTo?: { readonly size: number; readonly note: string };
  /** Events after the checkpoint: recomputed, but not signed yet. */
  readonly tail: { readonly events: number; readonly ageSeconds: number };
  /** Allowed calls whose outcome is still to come. */
  readonly open: number;
  /** The events whose bodies are gone: their hashes were recomputed, and the event `seq` accounts for them. */
  readonly pruned?: { readonly first: number; readonly last: number; readonly seq: number };
  readonly broken?: ChainBreak;
  /** Why nothing can be said, for `unproven`. */
  readonly reason?: string;
}

/** At least about so many events lie between two places where a verification that runs out of time can be taken up. */
const WAYPOINT_EVENTS = 10_000;
/** The further the walk goes, the wider apart: at most one part in so many of what was done is done again. */
const WAYPOINT_PARTS = 20;

const TIME_IS_UP = "the time limit was reached";

/** A size at which the tree must have this root. */
type Point = Pick<Checkpoint, "size" | "root">;

const NO_TAIL = { events: 0, ageSeconds: 0 } as const;

/** Prunes that one verification may meet: nobody honest makes more of them while it runs. */
const MAX_PRUNES = 3;

/** Verifies the chain as of its head when the verification begins. */
export async function verifyChain(reader: ChainReader, order: VerifyOrder): Promise<VerifyReport> {
  for (let prunes = 0;; prunes++) {
    const before = await reader.pruned(order.chain);
    const report = await new Verification(reader, order).run();
    if (report.verdict !== "broken" || prunes === MAX_PRUNES) return report;
    // Bodies that went while it walked are judged from the beginning, by the prune that accounts for them.
    const after = await reader.pruned(order.chain);
    if (after?.eventSeq === before?.eventSeq) return report;
  }
}

class Verification {
  readonly #reader: ChainReader;
  readonly #order: VerifyOrder;
  #first = 1;
  #last = 0;
  #run = new LeafRun(0);
  #check: EventCheck;
  #pruned: VerifyReport["pruned"];

  constructor(reader: ChainReader, order: VerifyOrder) {
    this.#reader = reader;
    this.#order = order;
    this.#check = this.#checkFrom(1, hex(genesisHash(order.logId, order.chain)));
  }

  async run(): Promise<VerifyReport> {
    const { chain, signal, onProgress, pace } = this.#order;
    const stored = await this.#reader.latestCheckpoint(chain);
    const head = await this.#reader.head(chain);
    if (head === undefined) return await this.#withoutHead();
    this.#last = head.seq;
    const signed = this.#opened(stored?.note, "signature");
    const expected = this.#opened(this.#order.expected, "expected");
    const since = this.#opened(this.#order.since, "signature");
    for (const opened of [signed, expected, since]) if (opened instanceof Failed) return opened.report(this);
    if (signed !== undefined && (signed as Checkpoint).size !== stored?.size) {
      return this.broken(
        0,
        "signature",
        `a checkpoint of size ${stored?.size}`,
        `one of ${(signed as Checkpoint).size}`,
      );
    }
    const points: Point[] = [signed, expected, since].filter((point) => point !== undefined) as Checkpoint[];
    const beyond = points.find(({ size }) => size > head.seq);
    if (beyond !== undefined) {
      return this.broken(head.seq + 1, "missing", `${beyond.size} events, as signed`, `${head.seq} events`);
    }
    const begun = await this.#begin(since as Checkpoint | undefined, points, head.seq);
    if (begun !== undefined) return begun;
    const waypoints = await this.#waypoints(head.seq);
    if (waypoints instanceof Failed) return waypoints.report(this);
    const walk = await walkChain(
      this.#reader,
      {
        ...{ chain, last: head.seq, signal, pace },
        rootsAt: [...points, ...waypoints].map(({ size }) => size),
        onProgress: (seq) => onProgress?.(seq, head.seq),
      },
      this.#run,
      this.#check,
    );
    if (walk.broken !== undefined) return this.report({ verdict: "broken", broken: walk.broken });
    for (const { size, root } of waypoints) {
      const found = walk.roots.get(size);
      if (found !== undefined && !equal(found, root)) return this.#otherRoot(size, root, found);
    }
    if (walk.isAborted) {
      const reached = waypoints.findLast(({ size }) => walk.roots.has(size));
      if (reached === undefined) return this.unproven(TIME_IS_UP);
      const { size, note } = reached;
      return this.report({ verdict: "unproven", reason: TIME_IS_UP, verifiedTo: { size, note } });
    }
    if (this.#check.hash !== head.hash) {
      return this.broken(head.seq, "head", this.#check.hash ?? "", head.hash);
    }
    for (const { size, root } of points) {
      const found = walk.roots.get(size) ?? await this.#storedRoot(size);
      if (!equal(found, root)) return this.#otherRoot(size, root, found);
    }
    return await this.#noneBeyond(head.seq) ?? await this.#outcomesOwed(head.seq) ??
      await this.#verdict(stored, head.seq);
  }

  report(rest: Partial<VerifyReport> & Pick<VerifyReport, "verdict">): VerifyReport {
    return {
      ...{ chain: this.#order.chain, first: this.#first, events: this.#run.end - this.#first + 1 },
      ...{ last: this.#last, head: { seq: this.#run.end, hash: this.#check.hash ?? "" } },
      ...{ tail: NO_TAIL, open: this.#check.open },
      ...(this.#pruned === undefined ? {} : { pruned: this.#pruned }),
      ...rest,
    };
  }

  broken(seq: number, what: ChainBreak["what"], expected: string, found: string): VerifyReport {
    return this.report({ verdict: "broken", broken: { seq, what, expected, found } });
  }

  unproven(reason: string): VerifyReport {
    return this.report({ verdict: "unproven", reason });
  }

  #otherRoot(size: number, root: Uint8Array, found: Uint8Array): VerifyReport {
    return this.broken(size, "checkpoint", `root ${hex(root)}, as signed`, `root ${hex(found)}`);
  }

  /** Signed checkpoints on the way, some distance from each other. */
  async #waypoints(
    last: number,
  ): Promise<readonly (Checkpoint & { readonly note: string })[] | Failed> {
    const found = new Map<number, Checkpoint & { readonly note: string }>();
    const step = this.#order.waypointEvents ?? WAYPOINT_EVENTS;
    const before = this.#first - 1;
    for (let done = step; before + done < last; done += Math.max(step, Math.floor(done / WAYPOINT_PARTS))) {
      const stored = await this.#reader.checkpointUpTo(this.#order.chain, before + done);
      if (stored === undefined || stored.size < this.#first || found.has(stored.size)) continue;
      const opened = this.#opened(stored.note, "signature");
      if (opened instanceof Failed) return opened;
      if (opened !== undefined) found.set(opened.size, { ...opened, note: stored.note });
    }
    return [...found.values()];
  }

  #checkFrom(first: number, before: string): EventCheck {
    return new EventCheck({
      log_id: this.#order.logId,
      chain: this.#order.chain,
      first,
      chain_hash: { before },
    });
  }

  #opened(note: string | undefined, what: "signature" | "expected"): Checkpoint | Failed | undefined {
    if (note === undefined) return undefined;
    const { origin, keys } = this.#order;
    try {
      return openCheckpoint(note, { origin, keys }).checkpoint;
    } catch (error) {
      if (!(error instanceof NoteError)) throw error;
      return new Failed(what, origin, error.message);
    }
  }

  /** Begins after what was verified before, or after what is pruned; adds the tree that a prune names to `points`. */
  async #begin(
    since: Checkpoint | undefined,
    points: Point[],
    headSeq: number,
  ): Promise<VerifyReport | undefined> {
    const { chain, logId, signal } = this.#order;
    const of = { chain, log_id: logId, signal };
    const pruned = await this.#reader.pruned(chain);
    if (pruned !== undefined && pruned.eventSeq > headSeq) {
      return this.broken(headSeq + 1, "missing", `the prune ${pruned.eventSeq}`, `${headSeq} events`);
    }
    try {
      const record = pruned && await readPruneRecord(this.#reader, pruned, of);
      if (pruned !== undefined) this.#pruned = { first: 1, last: pruned.to, seq: pruned.eventSeq };
      if (record !== undefined) points.push(record.tree);
      if (since !== undefined && since.size > (record?.to ?? 0)) return await this.#resume(since);
      if (record === undefined) return undefined;
      const start = await walkPruned(this.#reader, record, of);
      if (start === undefined) return this.unproven(TIME_IS_UP);
      [this.#run, this.#check, this.#first] = [start.run, start.check, record.to + 1];
      return undefined;
    } catch (error) {
      if (error instanceof PrunedBreak) return this.report({ verdict: "broken", broken: error.at });
      throw error;
    }
  }

  /** Begins after a checkpoint whose tree is still the stored one. */
  async #resume(since: Checkpoint): Promise<VerifyReport | undefined> {
    const { chain } = this.#order;
    if (since.size === 0) return undefined;
    let run: LeafRun;
    try {
      run = await resumeRun(since.size, tileNodes(this.#reader, chain, since.size));
    } catch (error) {
      if (error instanceof TileError) return this.broken(since.size, "checkpoint", "its tree", error.message);
      throw error;
    }
    const [row] = await this.#reader.read(chain, since.size - 1, 1);
    if (row?.seq !== since.size) {
      return this.broken(
        since.size,
        "missing",
        `event ${since.size}`,
        row === undefined ? "none" : `event ${row.seq}`,
      );
    }
    if (!/^[0-9a-f]{64}$/.test(row.hash)) return this.broken(since.size, "hash", "32 bytes", row.hash);
    if (!equal(run.root(), since.root)) {
      return this.broken(since.size, "checkpoint", `root ${hex(since.root)}`, `root ${hex(run.root())}`);
    }
    this.#run = run;
    this.#first = since.size + 1;
    this.#check = this.#checkFrom(this.#first, row.hash);
    return undefined;
  }

  /** The root before the walk began: the stored tree up to there was compared with a checkpoint. */
  async #storedRoot(size: number): Promise<Uint8Array> {
    return await treeRoot(size, tileNodes(this.#reader, this.#order.chain, this.#first - 1));
  }

  async #withoutHead(): Promise<VerifyReport> {
    const rows = await this.#reader.read(this.#order.chain, 0, 1);
    if (rows.length > 0) return this.broken(0, "head", "a head", "events without a head");
    if (this.#order.expected !== undefined) return this.broken(0, "head", "a head", "no such chain");
    return this.unproven("no such chain");
  }

  /** Events past the head belong to appends after the verification began, so the head must have moved with them. */
  async #noneBeyond(headSeq: number): Promise<VerifyReport | undefined> {
    const { chain } = this.#order;
    const beyond = (await this.#reader.read(chain, headSeq, 1))[0];
    if (beyond === undefined) return undefined;
    const now = await this.#reader.head(chain);
    if (now !== undefined && now.seq >= beyond.seq) return undefined;
    return this.broken(beyond.seq, "extra", `no event after ${headSeq}`, `event ${beyond.seq}`);
  }

  /** Every allow without an outcome must be known as open, or have got its outcome meanwhile. */
  async #outcomesOwed(headSeq: number): Promise<VerifyReport | undefined> {
    const { chain } = this.#order;
    const open = [...this.#check.openDecisions()];
    const known = new Set(await this.#reader.stillOpen(chain, open));
    const owed = new Set(open.filter((decisionId) => !known.has(decisionId)));
    for (let after = headSeq; owed.size > 0;) {
      const rows = await this.#reader.read(chain, after, 1_000);
      for (const { canonical } of rows) {
        const { metadata } = JSON.parse(canonical);
        if (metadata?.event_code === "call.ended") owed.delete(metadata.correlation_uid);
      }
      if (rows.length === 0) break;
      after = rows.at(-1)!.seq;
    }
    const [decisionId] = owed;
    if (decisionId === undefined) return undefined;
    return this.broken(headSeq, "outcome", `an outcome of the allow "${decisionId}"`, "none");
  }

  async #verdict(stored: StoredCheckpoint | undefined, headSeq: number): Promise<VerifyReport> {
    if (stored === undefined) return this.unproven("no checkpoint has been signed yet");
    const { chain, nowMs } = this.#order;
    const events = headSeq - stored.size;
    const oldest = events === 0 ? undefined : await this.#reader.appendedAt(chain, stored.size + 1);
    return this.report({
      verdict: "verified",
      checkpoint: {
        ...{ size: stored.size, root: hex(stored.root), note: stored.note, signedAt: stored.signedAt },
      },
      verifiedTo: { size: stored.size, note: stored.note },
      tail: {
        events,
        ageSeconds: oldest === undefined ? 0 : Math.max(0, Math.round(nowMs() / 1000 - oldest)),
      },
    });
  }
}

/** A checkpoint that cannot be opened. */
class Failed {
  constructor(
    readonly what: "signature" | "expected",
    readonly origin: string,
    readonly why: string,
  ) {}

  report(verification: Verification): VerifyReport {
    return verification.broken(0, this.what, `a signed checkpoint of "${this.origin}"`, this.why);
  }
}
