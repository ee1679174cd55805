/** How fast the audit record is written and verified: the real appender, store and verifier on a real PostgreSQL. */
import { loadavg } from "node:os";
import process from "node:process";
import { createAppender } from "../../audit/appender.ts";
import { type ChainReader, verifyChain, type VerifyReport } from "../../audit/verify.ts";
import { randomBytes } from "../../commands/random.ts";
import type { AppendCondition, AuditEntry } from "../../core/audit_entry.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import { createAuditPrunes } from "../../store/audit_prunes.ts";
import { createAuditTree } from "../../store/audit_tree.ts";
import type { Database } from "../../store/database.ts";
import { eventTexts, type WholeChain } from "../whole_chain.ts";
import { familyCpuMicros } from "./cpu_time.ts";

const CHAIN = "default";
const REPLICA = "0123456789abcdef0123456789abcdef";

/** What was done in which time; CPU in microseconds per event, PostgreSQL's own apart. */
export interface SpeedFigures {
  readonly events: number;
  readonly seconds: number;
  readonly cpuMicros: number;
  readonly databaseMicros: number;
}

/** Where it is measured. */
export interface SpeedPlace {
  readonly logId: string;
  /** Of the postmaster. */
  readonly databasePid: number;
}

/** How much is appended. Each writer is what a replica has: pool, appender, batches of its own. */
export interface AppendPlan {
  readonly writers: readonly Database[];
  readonly callsPerWriter: number;
  /** Calls that each has under way at once. */
  readonly underWay: number;
  /** Number of the first call; others of this chain have other numbers. */
  readonly firstCall?: number;
}

/** Appends allowed calls to one chain: the allow, and when that is durable its outcome, as the gateway does. */
export async function measureAppends(place: SpeedPlace, plan: AppendPlan): Promise<SpeedFigures> {
  const { writers, callsPerWriter, underWay, firstCall = 0 } = plan;
  const textOf = eventTexts(place.logId);
  // Made before: what an event costs to make is measured elsewhere.
  const calls = writers.map((_, writer) =>
    Array.from(
      { length: callsPerWriter },
      (_, at) => callOf(textOf, firstCall + writer * callsPerWriter + at),
    )
  );
  return await measured(place, async () => {
    await Promise.all(writers.map(async (database, writer) => {
      const appender = createAppender({ append: createAuditEvents(database).append });
      const left = calls[writer]!.values();
      const worker = async () => {
        for (const { allow, outcome } of left) {
          await appended(appender.append(allow).done);
          await appended(appender.append(outcome, { owed: true }).done);
        }
      };
      await Promise.all(Array.from({ length: underWay }, worker));
    }));
    return 2 * callsPerWriter * writers.length;
  });
}

/** How long single allows wait for their commit, milliseconds, when they come one after the other in steady time. */
export async function measureAllowLatency(
  { logId }: SpeedPlace,
  database: Database,
  { ratePerSecond, allows, firstCall }: {
    readonly ratePerSecond: number;
    readonly allows: number;
    /** Number of the first call; others of this chain have other numbers. */
    readonly firstCall: number;
  },
): Promise<{ readonly p50Ms: number; readonly p95Ms: number; readonly p99Ms: number }> {
  const textOf = eventTexts(logId);
  const appender = createAppender({ append: createAuditEvents(database).append });
  const started = performance.now();
  const waits: number[] = [];
  await Promise.all(Array.from({ length: allows }, async (_, at) => {
    const dueMs = at * 1000 / ratePerSecond;
    await new Promise((resolve) => setTimeout(resolve, dueMs));
    const { allow, outcome } = callOf(textOf, firstCall + at);
    const before = Math.max(started + dueMs, 0);
    await appended(appender.append(allow).done);
    waits.push(performance.now() - before);
    await appended(appender.append(outcome, { owed: true }).done);
  }));
  waits.sort((a, b) => a - b);
  const at = (part: number) => waits[Math.min(waits.length - 1, Math.floor(waits.length * part))] ?? NaN;
  return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) };
}

/** Verifies a chain from its first event; `seen` gets every step of the progress. */
export async function measureVerify(
  place: SpeedPlace,
  database: Database,
  { origin, keys }: WholeChain,
  seen: (seq: number, last: number) => void = () => {},
): Promise<SpeedFigures & { readonly report: VerifyReport }> {
  let report: VerifyReport | undefined;
  const figures = await measured(place, async () => {
    report = await verifyChain(chainReader(database), {
      ...{ chain: CHAIN, logId: place.logId, origin, keys, nowMs: () => Date.now(), onProgress: seen },
    });
    return report.events;
  });
  if (report === undefined) throw new TypeError("Expected a report");
  return { ...figures, report };
}

/** What verification reads. */
export function chainReader(database: Database): ChainReader {
  return { ...createAuditTree(database), ...createAuditPrunes(database), ...createAuditEvents(database) };
}

/** The figures as a line to read. */
export function figuresText(
  what: string,
  { events, seconds, cpuMicros, databaseMicros }: SpeedFigures,
): string {
  const perSecond = Math.round(events / seconds);
  return `${what}: ${events} events in ${seconds.toFixed(1)} s, ${perSecond} a second; CPU ${
    cpuMicros.toFixed(1)
  } µs an event, of the database ${databaseMicros.toFixed(1)} µs; load average ${
    loadavg().map((load) => load.toFixed(1)).join(" ")
  }`;
}

async function measured(place: SpeedPlace, work: () => Promise<number>): Promise<SpeedFigures> {
  const [started, cpu, database] = [
    performance.now(),
    process.cpuUsage(),
    familyCpuMicros(place.databasePid),
  ];
  const events = await work();
  const { user, system } = process.cpuUsage(cpu);
  return {
    ...{ events, seconds: (performance.now() - started) / 1000, cpuMicros: (user + system) / events },
    databaseMicros: (familyCpuMicros(place.databasePid) - database) / events,
  };
}

interface Call {
  readonly allow: AuditEntry;
  readonly outcome: AuditEntry;
}

function callOf(textOf: ReturnType<typeof eventTexts>, k: number): Call {
  const entry = (kind: "allow" | "ended", made: number): AuditEntry => {
    const { eventId, decisionId: decision_id, text } = textOf(kind, k, made);
    const conditions: AppendCondition[] = kind === "allow"
      ? [{ kind: "open_decision", decision_id, replica_id: REPLICA }]
      : [{ kind: "close_decision", decision_id }];
    return { chain: CHAIN, eventId, canonical: text, salt: randomBytes(32), conditions };
  };
  return { allow: entry("allow", 2 * k), outcome: entry("ended", 2 * k + 1) };
}

async function appended(done: Promise<{ readonly status: string }>): Promise<void> {
  const { status } = await done;
  if (status !== "appended") throw new Error(`Expected an appended event, got "${status}"`);
}
