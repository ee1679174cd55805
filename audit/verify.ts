/**
 * Verifies one chain: recomputes hash chain and Merkle tree from the stored events, and holds them against the database's
 * head, the last signed checkpoint, what is kept of the chain elsewhere, and the checkpoint that the asker expects.
 */
import { type ChainBreak, type Pace, walkChain, type WalkResult } from "./chain_walk.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { genesisHash, hex } from "./digest.ts";
import { EventCheck } from "./event_check.ts";
import type { StoredCheckpoint } from "./log_signer.ts";
import { LeafRun, resumeRun } from "./merkle_range.ts";
import { equal } from "./merkle_tree.ts";
import { PrunedBreak, type PrunedReader, readPruneRecord, walkPruned } from "./pruned_walk.ts";
import {
  type HeldElsewhere,
  openEarlier,
  type OpenedPoints,
  openPoints,
  outsideBreak,
  PointBreak,
  requireLeadsTo,
  type SignedPoint,
} from "./signed_points.ts";
import type { NoteVerifier } from "./signed_note.ts";
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
  /** What is kept of the chain besides the database: the chain must continue it. */
  readonly held?: (() => Promise<HeldElsewhere>) | undefined;
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

/** A signed checkpoint on the way. */
interface Waypoint extends SignedPoint {
  readonly note: string;
}

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
    try {
      return await this.#verify();
    } catch (error) {
      if (!(error instanceof PointBreak || error instanceof PrunedBreak)) throw error;
      return this.#report({ verdict: "broken", broken: error.at });
    }
  }

  async #verify(): Promise<VerifyReport> {
    const { chain } = this.#order;
    // Before the head: what is signed meanwhile must not look like a log that was rolled back.
    const held = await this.#order.held?.() ?? {};
    const stored = await this.#reader.latestCheckpoint(chain);
    const head = await this.#reader.head(chain);
    if (head === undefined) return await this.#withoutHead();
    this.#last = head.seq;
    const opened = openPoints(this.#order, stored, held);
    const { points, since } = opened;
    const beyond = points.find(({ size }) => size > head.seq);
    if (beyond !== undefined) {
      return this.#broken(
        head.seq + 1,
        "missing",
        `${beyond.size} events, ${beyond.by}`,
        `${head.seq} events`,
      );
    }
    const pruned = await this.#begin(since, points, head.seq);
    if (pruned === undefined) return this.#unproven(TIME_IS_UP);
    const waypoints = await this.#waypoints(head.seq);
    const walk = await this.#walk(head.seq, [...points, ...waypoints]);
    if (walk.broken !== undefined) return this.#report({ verdict: "broken", broken: walk.broken });
    for (const point of waypoints) {
      const found = walk.roots.get(point.size);
      if (found !== undefined && !equal(found, point.root)) return this.#otherRoot(point, found);
    }
    if (walk.isAborted) return this.#outOfTime(waypoints.findLast(({ size }) => walk.roots.has(size)));
    if (this.#check.hash !== head.hash) {
      return this.#broken(head.seq, "head", this.#check.hash ?? "", head.hash);
    }
    for (const point of points) {
      const found = walk.roots.get(point.size) ?? pruned.get(point.size);
      if (found === undefined) await requireLeadsTo(this.#reader, chain, point, since!);
      else if (!equal(found, point.root)) return this.#otherRoot(point, found);
    }
    return await this.#noneBeyond(head.seq) ?? await this.#outcomesOwed(head.seq) ??
      await this.#verdict({ ...opened, signedAt: stored?.signedAt }, held, head.seq);
  }

  #walk(last: number, points: readonly SignedPoint[]): Promise<WalkResult> {
    const { chain, signal, onProgress, pace } = this.#order;
    const order = {
      ...{ chain, last, signal, pace, rootsAt: points.map(({ size }) => size) },
      onProgress: (seq: number) => onProgress?.(seq, last),
    };
    return walkChain(this.#reader, order, this.#run, this.#check);
  }

  #report(rest: Partial<VerifyReport> & Pick<VerifyReport, "verdict">): VerifyReport {
    return {
      ...{ chain: this.#order.chain, first: this.#first, events: this.#run.end - this.#first + 1 },
      ...{ last: this.#last, head: { seq: this.#run.end, hash: this.#check.hash ?? "" } },
      ...{ tail: NO_TAIL, open: this.#check.open },
      ...(this.#pruned === undefined ? {} : { pruned: this.#pruned }),
      ...rest,
    };
  }

  #broken(seq: number, what: ChainBreak["what"], expected: string, found: string): VerifyReport {
    return this.#report({ verdict: "broken", broken: { seq, what, expected, found } });
  }

  #unproven(reason: string): VerifyReport {
    return this.#report({ verdict: "unproven", reason });
  }

  #outOfTime(reached: Waypoint | undefined): VerifyReport {
    if (reached === undefined) return this.#unproven(TIME_IS_UP);
    const { size, note } = reached;
    return this.#report({ verdict: "unproven", reason: TIME_IS_UP, verifiedTo: { size, note } });
  }

  #otherRoot({ size, root, by }: SignedPoint, found: Uint8Array): VerifyReport {
    return this.#broken(size, "checkpoint", `root ${hex(root)}, ${by}`, `root ${hex(found)}`);
  }

  /** Signed checkpoints on the way, some distance from each other. */
  async #waypoints(last: number): Promise<readonly Waypoint[]> {
    const found = new Map<number, Waypoint>();
    const step = this.#order.waypointEvents ?? WAYPOINT_EVENTS;
    const before = this.#first - 1;
    for (let done = step; before + done < last; done += Math.max(step, Math.floor(done / WAYPOINT_PARTS))) {
      const stored = await this.#reader.checkpointUpTo(this.#order.chain, before + done);
      if (stored === undefined || stored.size < this.#first || found.has(stored.size)) continue;
      const opened = openEarlier(stored, this.#order);
      if (opened === undefined) continue;
      const { size, root } = opened;
      found.set(size, { size, root, note: stored.note, by: "as signed" });
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

  /**
   * Begins after what was verified before, or after what is pruned; adds the tree that a prune names to `points`. Returns the
   * roots among pruned events, `undefined` when the time is up.
   */
  async #begin(
    since: Checkpoint | undefined,
    points: SignedPoint[],
    headSeq: number,
  ): Promise<ReadonlyMap<number, Uint8Array> | undefined> {
    const { chain, logId, signal } = this.#order;
    const of = { chain, log_id: logId, signal };
    const pruned = await this.#reader.pruned(chain);
    if (pruned !== undefined && pruned.eventSeq > headSeq) {
      const expected = `the prune ${pruned.eventSeq}`;
      throw new PointBreak({ seq: headSeq + 1, what: "missing", expected, found: `${headSeq} events` });
    }
    const record = pruned && await readPruneRecord(this.#reader, pruned, of);
    if (pruned !== undefined) this.#pruned = { first: 1, last: pruned.to, seq: pruned.eventSeq };
    if (record !== undefined) points.push({ ...record.tree, by: "as the prune says" });
    if (since !== undefined && since.size > (record?.to ?? 0)) await this.#resume(since);
    else if (record !== undefined) {
      const start = await walkPruned(this.#reader, record, {
        ...of,
        rootsAt: points.map(({ size }) => size),
      });
      if (start === undefined) return undefined;
      [this.#run, this.#check, this.#first] = [start.run, start.check, record.to + 1];
      return start.roots;
    }
    return new Map();
  }

  /** Begins after a checkpoint whose tree is still the stored one; throws `PointBreak` when it is not. */
  async #resume({ size, root }: Checkpoint): Promise<void> {
    const { chain } = this.#order;
    const wrong = (what: ChainBreak["what"], expected: string, found: string) =>
      new PointBreak({ seq: size, what, expected, found });
    let run: LeafRun;
    try {
      run = await resumeRun(size, tileNodes(this.#reader, chain, size));
    } catch (error) {
      if (error instanceof TileError) throw wrong("checkpoint", "its tree", error.message);
      throw error;
    }
    const [row] = await this.#reader.read(chain, size - 1, 1);
    if (row?.seq !== size) {
      throw wrong("missing", `event ${size}`, row === undefined ? "none" : `event ${row.seq}`);
    }
    if (!/^[0-9a-f]{64}$/.test(row.hash)) throw wrong("hash", "32 bytes", row.hash);
    if (!equal(run.root(), root)) throw wrong("checkpoint", `root ${hex(root)}`, `root ${hex(run.root())}`);
    this.#run = run;
    this.#first = size + 1;
    this.#check = this.#checkFrom(this.#first, row.hash);
  }

  /** A tenant is made together with the head of its chain. */
  async #withoutHead(): Promise<VerifyReport> {
    const rows = await this.#reader.read(this.#order.chain, 0, 1);
    return this.#broken(0, "head", "a head", rows.length > 0 ? "events without a head" : "no such chain");
  }

  /** Events past the head belong to appends after the verification began, so the head must have moved with them. */
  async #noneBeyond(headSeq: number): Promise<VerifyReport | undefined> {
    const { chain } = this.#order;
    const beyond = (await this.#reader.read(chain, headSeq, 1))[0];
    if (beyond === undefined) return undefined;
    const now = await this.#reader.head(chain);
    if (now !== undefined && now.seq >= beyond.seq) return undefined;
    return this.#broken(beyond.seq, "extra", `no event after ${headSeq}`, `event ${beyond.seq}`);
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
    return this.#broken(headSeq, "outcome", `an outcome of the allow "${decisionId}"`, "none");
  }

  async #verdict(
    { signed, underOldName, kept, signedAt = 0 }: Pick<OpenedPoints, "signed" | "underOldName" | "kept"> & {
      readonly signedAt: number | undefined;
    },
    { conflict }: HeldElsewhere,
    headSeq: number,
  ): Promise<VerifyReport> {
    if (conflict !== undefined) {
      return this.#report({ verdict: "broken", broken: outsideBreak(conflict, headSeq) });
    }
    if (underOldName !== undefined) {
      return this.#unproven("no checkpoint has been signed under this name of the log yet");
    }
    if (signed === undefined) {
      if (kept === undefined) return this.#unproven("no checkpoint has been signed yet");
      const expected = `a checkpoint in the database, as the second place has one of ${kept.size} events`;
      return this.#broken(kept.size, "checkpoint", expected, "none");
    }
    const { chain, nowMs } = this.#order;
    const { size, root, note } = signed;
    const events = headSeq - size;
    const oldest = events === 0 ? undefined : await this.#reader.appendedAt(chain, size + 1);
    return this.#report({
      verdict: "verified",
      checkpoint: { size, root: hex(root), note, signedAt },
      verifiedTo: { size, note },
      tail: {
        events,
        ageSeconds: oldest === undefined ? 0 : Math.max(0, Math.round(nowMs() / 1000 - oldest)),
      },
    });
  }
}
