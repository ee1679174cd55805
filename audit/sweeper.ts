/**
 * Gives every allow its outcome when the process that should have written it cannot: `unknown` for the calls of replicas
 * whose lease ended, `not_forwarded` for our own allows that were recorded after we had already refused the call.
 */
import type { AppendResult, AuditEntry } from "../core/audit_entry.ts";
import type { EndingKind } from "../core/call.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { type EventSource, outcomeEvent } from "./event.ts";
import { canonicalEvent } from "./shorten.ts";

/** An allow without outcome, with the canonical text of its decision event. */
export interface OpenDecision {
  readonly decisionId: string;
  readonly chain: string;
  readonly event: string;
}

/** What the sweeper reads and removes; `store/` fits. */
export interface SweeperStore {
  expiredReplicas(): Promise<readonly string[]>;
  removeReplica(replicaId: string): Promise<void>;
  /** Those with a greater id, in order. */
  openDecisions(replicaId: string, afterId: string, limit: number): Promise<readonly OpenDecision[]>;
  /** Removes counters of tokens that expired long ago. */
  removeExpired(): Promise<unknown>;
}

export interface SweeperOptions {
  readonly store: SweeperStore;
  readonly append: (entry: AuditEntry) => Promise<AppendResult>;
  readonly source: EventSource;
  readonly settingsVersion: () => number;
  readonly newId: () => string;
  readonly nowMs: () => number;
  /** Whether this process still works on that decision. */
  readonly isLive: (decisionId: string) => boolean;
  /** Called before outcomes of ended replicas are written: what became of their calls may be known better elsewhere. */
  readonly beforeUnknown?: () => Promise<void>;
  /** Called with how many outcomes of a kind were written. */
  readonly onRecorded?: (kind: EndingKind, count: number) => void;
  readonly intervalMs?: number;
  /**
   * How long a replica may take to renew its lease once the database is back: until then a lease that ended proves nothing.
   * Counts from the start and from every sweep that failed.
   */
  readonly graceMs?: number;
  readonly onError: (error: unknown) => void;
}

export interface Sweeper {
  /** One pass; returns how many outcomes it wrote. */
  sweep(): Promise<number>;
  start(): void;
  close(): Promise<void>;
}

const PAGE = 200;

export function createSweeper(options: SweeperOptions): Sweeper {
  const { store, append, source, intervalMs = 5_000, graceMs = 0 } = options;
  let doubtedMs = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let closed = false;

  const settleOpen = async (replicaId: string, kind: EndingKind, code: string) => {
    let written = 0;
    let afterId = "";
    // On by id, not from the beginning: those that live stay, and those that are dead may stand behind any number of them.
    for (;;) {
      const open = await store.openDecisions(replicaId, afterId, PAGE);
      const dead = open.filter((decision) => !options.isLive(decision.decisionId));
      const results = await Promise.all(
        dead.map((decision) => append(entryOf(options, decision, kind, code))),
      );
      const appended = results.filter((result) => result.status === "appended").length;
      written += appended;
      if (appended > 0) options.onRecorded?.(kind, appended);
      if (open.length < PAGE) return written;
      afterId = open.at(-1)!.decisionId;
    }
  };
  const sweep = async () => {
    let written = await settleOpen(source.replicaId, "not_forwarded", "recorded_late");
    const isDoubted = performance.now() - doubtedMs < graceMs;
    const expired = (await store.expiredReplicas()).filter((replicaId) => replicaId !== source.replicaId);
    if (!isDoubted && expired.length > 0) await options.beforeUnknown?.();
    for (const replicaId of isDoubted ? [] : expired) {
      written += await settleOpen(replicaId, "unknown", "replica_ended");
      await store.removeReplica(replicaId);
    }
    await store.removeExpired();
    return written;
  };
  const loop = () => {
    if (closed) return;
    timer = setTimeout(() => {
      running = sweep().catch((error) => {
        doubtedMs = performance.now();
        options.onError(error);
      }).finally(loop);
    }, intervalMs);
  };
  return {
    sweep,
    start: loop,
    close: async () => {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}

function entryOf(options: SweeperOptions, open: OpenDecision, kind: EndingKind, code: string): AuditEntry {
  const eventId = options.newId();
  const event = outcomeEvent(options.source, {
    eventId,
    timeMs: options.nowMs(),
    tenant: open.chain,
    decisionId: open.decisionId,
    ...partsOf(JSON.parse(open.event)),
    ending: { kind, code },
    settingsVersion: options.settingsVersion(),
  });
  return {
    chain: open.chain,
    eventId,
    canonical: canonicalEvent(event),
    conditions: [{ kind: "close_decision", decision_id: open.decisionId }],
  };
}

/** Who called what, read back from a decision event of ours. */
function partsOf(event: unknown) {
  const root = isJsonObject(event) ? event : {};
  const member = (value: unknown): JsonObject => isJsonObject(value) ? value : {};
  const text = (value: unknown): string => typeof value === "string" ? value : "";
  const api = member(root.api);
  return {
    upstream: text(member(api.service).name),
    operation: text(api.operation),
    agent: text(member(root.actor).app_uid),
    sourceIp: text(member(root.src_endpoint).ip),
    trace: isJsonObject(root.trace) ? root.trace : undefined,
  };
}
