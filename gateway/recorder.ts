/** Puts one decision into its tenant's chain before anything else happens, within the call's deadline. */
import type { Appender, PendingAppend } from "../audit/appender.ts";
import { decisionEvent, type EventSource } from "../audit/event.ts";
import { canonicalEvent } from "../audit/shorten.ts";
import type { AppendCondition, AppendResult, AuditEntry } from "../core/audit_entry.ts";
import type { Decision, Principal, ToolAnnotations, ToolCall } from "../core/call.ts";
import { GatewayError } from "../core/errors.ts";
import type { Deadlines } from "./deadlines.ts";

export interface RecorderOptions {
  readonly appender: Appender;
  readonly deadlines: Deadlines;
  readonly source: EventSource;
  readonly newId: () => string;
  readonly nowMs: () => number;
  readonly randomSalt: () => Uint8Array;
  /** The shortest time an append may take even when the checks used up the deadline. */
  readonly minAppendMs?: number;
}

export interface Recorder {
  /**
   * Appends a decision. Throws `GatewayError` (`audit_unavailable`) when it is not known to be recorded in time;
   * `onLate` then learns whether it was recorded after all.
   */
  record(record: DecisionRecord, onLate?: (result: AppendResult) => void): Promise<AppendResult>;
}

export interface DecisionRecord {
  readonly call: ToolCall;
  readonly decision: Decision;
  readonly principal: Principal;
  readonly annotations?: ToolAnnotations | undefined;
  readonly settingsVersion: number;
  readonly conditions: readonly AppendCondition[];
}

export function createRecorder(options: RecorderOptions): Recorder {
  return {
    record: async (record, onLate) => {
      const pending = options.appender.append(decisionEntry(options, record));
      const soonestMs = options.nowMs() + (options.minAppendMs ?? 250);
      return await inTime(options.deadlines, pending, Math.max(record.call.deadlineMs, soonestMs), onLate);
    },
  };
}

async function inTime(
  deadlines: Deadlines,
  pending: PendingAppend,
  deadlineMs: number,
  onLate?: (result: AppendResult) => void,
): Promise<AppendResult> {
  return await deadlines.race(pending.done, deadlineMs, () => {
    const taken = pending.cancel();
    pending.done.then(onLate, () => {});
    return new GatewayError(
      "audit_unavailable",
      taken ? "The decision was not recorded in time" : "The database did not confirm the decision in time",
    );
  });
}

function decisionEntry(options: RecorderOptions, record: DecisionRecord): AuditEntry {
  const eventId = options.newId();
  const salt = options.randomSalt();
  const event = decisionEvent(options.source, {
    eventId,
    timeMs: options.nowMs(),
    tenant: record.principal.tenant,
    call: record.call,
    decision: record.decision,
    principal: record.principal,
    annotations: record.annotations,
    settingsVersion: record.settingsVersion,
    salt,
  });
  return {
    chain: record.principal.tenant,
    eventId,
    canonical: canonicalEvent(event),
    salt,
    conditions: record.conditions,
  };
}
