/**
 * Puts one decision into its tenant's chain before anything else happens, within the call's deadline. When the database
 * does not take it the call is blocked, and that is kept until the database takes it.
 */
import type { Appender, PendingAppend } from "../audit/appender.ts";
import { decisionEvent, type EventSource } from "../audit/event.ts";
import { keptValues } from "../audit/kept_values.ts";
import { canonicalEvent } from "../audit/shorten.ts";
import type { AppendCondition, AppendResult, AuditEntry } from "../core/audit_entry.ts";
import type { Decision, Principal, ToolAnnotations, ToolCall } from "../core/call.ts";
import { GatewayError } from "../core/errors.ts";
import type { RecordValues } from "../core/record_values.ts";
import type { LateRecords } from "../audit/late_port.ts";
import type { Deadlines } from "./deadlines.ts";
import { faultDecision } from "./refusal.ts";

export interface RecorderOptions {
  readonly appender: Appender;
  readonly late: Pick<LateRecords, "isAway" | "keep">;
  readonly deadlines: Deadlines;
  readonly source: EventSource;
  readonly newId: () => string;
  readonly nowMs: () => number;
  readonly randomSalt: () => Uint8Array;
  /** What the tenant wants kept beside its events; absent: nothing. */
  readonly keeps?: (tenant: string) => RecordValues;
  /** The shortest time an append may take even when the checks used up the deadline. */
  readonly minAppendMs?: number;
}

export interface Recorder {
  /**
   * Appends a decision. Throws `GatewayError` (`audit_unavailable`) when it is not known to be recorded in time: then the
   * call is blocked, and its record is kept.
   */
  record(record: DecisionRecord, doubt?: Doubt): Promise<AppendResult>;
}

/** What is to be done about an allow that may or may not have been recorded. */
export interface Doubt {
  /** It was answered after all. */
  readonly onLate: (result: AppendResult) => void;
  /** Its outcome, should it be in the chain although the call was blocked. */
  readonly outcome: () => Promise<AuditEntry>;
}

export interface DecisionRecord {
  readonly call: ToolCall;
  readonly decision: Decision;
  readonly principal: Principal;
  readonly annotations?: ToolAnnotations | undefined;
  readonly settingsVersion: number;
  readonly conditions: readonly AppendCondition[];
}

/** Longest wait for the data folder: the call is blocked either way. */
const KEEP_TIMEOUT_MS = 1_000;

export function createRecorder(options: RecorderOptions): Recorder {
  return {
    record: async (record, doubt) => {
      const { appender, deadlines, late, nowMs, minAppendMs = 250 } = options;
      const eventId = options.newId();
      const entry = decisionEntry(options, record, eventId);
      const isAllow = record.decision.decision === "allow";
      if (!isAllow && late.isAway()) {
        await keep(options, entry);
        throw new GatewayError("audit_unavailable", "The database is away: the decision is kept");
      }
      const pending = appender.append(entry);
      const deadlineMs = Math.max(record.call.deadlineMs, nowMs() + minAppendMs);
      const state = { isTakenBack: false };
      try {
        return await inTime(deadlines, pending, deadlineMs, state, doubt?.onLate);
      } catch (error) {
        // Under the same event id: what is recorded first counts, and the other one never will be.
        await keep(options, isAllow ? decisionEntry(options, blocked(record), eventId) : entry);
        if (doubt !== undefined && !state.isTakenBack) await keep(options, await doubt.outcome(), "other");
        throw error;
      }
    },
  };
}

/** An allow that is not recorded is a block. */
function blocked(record: DecisionRecord): DecisionRecord {
  const decision = faultDecision(
    record.decision,
    "audit_unavailable",
    "The decision could not be recorded",
  );
  return { ...record, decision, conditions: [] };
}

async function keep(
  { late, deadlines, nowMs }: RecorderOptions,
  entry: AuditEntry,
  what: "decision" | "other" = "decision",
): Promise<void> {
  const kept = late.keep(entry, { what });
  // What comes too late, or not at all, is told where records are kept.
  await deadlines.race(kept, nowMs() + KEEP_TIMEOUT_MS, () => undefined).catch(() => {});
}

async function inTime(
  deadlines: Deadlines,
  pending: PendingAppend,
  deadlineMs: number,
  state: { isTakenBack: boolean },
  onLate?: (result: AppendResult) => void,
): Promise<AppendResult> {
  return await deadlines.race(pending.done, deadlineMs, () => {
    state.isTakenBack = pending.cancel();
    pending.done.then(onLate, () => {});
    return new GatewayError(
      "audit_unavailable",
      state.isTakenBack
        ? "The decision was not recorded in time"
        : "The database did not confirm the decision in time",
    );
  });
}

function decisionEntry(options: RecorderOptions, record: DecisionRecord, eventId: string): AuditEntry {
  const salt = options.randomSalt();
  const { tenant } = record.principal;
  const values = keptValues(record.call, record.decision, options.keeps?.(tenant) ?? "none");
  const event = decisionEvent(options.source, {
    eventId,
    timeMs: options.nowMs(),
    tenant,
    call: record.call,
    decision: record.decision,
    principal: record.principal,
    annotations: record.annotations,
    settingsVersion: record.settingsVersion,
    ...{ salt, values },
  });
  return {
    chain: tenant,
    eventId,
    canonical: canonicalEvent(event),
    salt,
    ...(values === undefined ? {} : { values }),
    conditions: record.conditions,
  };
}
