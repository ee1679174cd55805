/**
 * Sees to it that every recorded allow of this process gets its outcome event, however often the database stumbles: what
 * it does not take is kept in the data folder, and only when that does not work either in memory.
 */
import { canonicalEvent } from "../audit/shorten.ts";
import { type EventSource, outcomeEvent, traceObject } from "../audit/event.ts";
import type { Appender } from "../audit/appender.ts";
import type { LateRecords } from "../audit/late_port.ts";
import type { AppendCondition, AppendResult, AuditEntry } from "../core/audit_entry.ts";
import type { EndingKind, Principal, ToolCall } from "../core/call.ts";
import type { ForwardEnding } from "../mcp/port.ts";

/** How a call ended; a call that never left has no upstream time. */
export type CallEnding = Omit<ForwardEnding, "upstreamMs"> & { readonly upstreamMs?: number };

export interface OutcomesOptions {
  readonly appender: Appender;
  readonly late: Pick<LateRecords, "isAway" | "keep">;
  readonly source: EventSource;
  readonly newId: () => string;
  readonly nowMs: () => number;
  readonly randomSalt: () => Uint8Array;
  readonly onError: (error: unknown) => void;
  /** Called for every outcome that this process itself put into a chain. */
  readonly onRecorded?: (kind: EndingKind) => void;
  readonly retryMs?: number;
}

/** One allowed call between its decision and its outcome. */
export interface AllowedCall {
  readonly call: ToolCall;
  readonly principal: Principal;
  readonly settingsVersion: number;
}

export interface Outcomes {
  /** Marks a decision as this process's own work, before its append is sent. */
  begin(decisionId: string): void;
  /** The decision was refused or never recorded: nothing is owed. */
  abandon(decisionId: string): void;
  isLive(decisionId: string): boolean;
  live(): number;
  /** Writes the outcome: resolves when the database has it or the data folder keeps it, or when this process stops. */
  finish(allowed: AllowedCall, ending: CallEnding, effects: readonly AppendCondition[]): Promise<void>;
  /** The event of an outcome, for an allow that may not be in the chain. */
  entry(allowed: AllowedCall, ending: CallEnding, effects: readonly AppendCondition[]): AuditEntry;
  /** Gives up retrying; the sweeper of another replica or of the next start does the rest. */
  close(): void;
}

export function createOutcomes(options: OutcomesOptions): Outcomes {
  const live = new Set<string>();
  let closed = false;
  const finish: Outcomes["finish"] = async (allowed, ending, effects) => {
    const entry = outcomeEntry(options, allowed, ending, effects);
    const recorded = ({ status }: AppendResult) => {
      live.delete(allowed.call.id);
      if (status === "appended") options.onRecorded?.(ending.kind);
    };
    while (!closed) {
      try {
        // While it is kept the decision stays live: nobody else of this process writes its outcome.
        if (
          options.late.isAway() && await options.late.keep(entry, { what: "other", onRecorded: recorded })
        ) return;
        return recorded(await options.appender.append(entry, { owed: true }).done);
      } catch (error) {
        options.onError(error);
        if (await options.late.keep(entry, { what: "other", onRecorded: recorded })) return;
        await new Promise((resolve) => setTimeout(resolve, options.retryMs ?? 1_000));
      }
    }
  };
  return {
    begin: (decisionId) => void live.add(decisionId),
    abandon: (decisionId) => void live.delete(decisionId),
    isLive: (decisionId) => live.has(decisionId),
    live: () => live.size,
    finish,
    entry: (allowed, ending, effects) => outcomeEntry(options, allowed, ending, effects),
    close: () => void (closed = true),
  };
}

function outcomeEntry(
  options: OutcomesOptions,
  { call, principal, settingsVersion }: AllowedCall,
  ending: CallEnding,
  effects: readonly AppendCondition[],
): AuditEntry {
  const eventId = options.newId();
  const salt = options.randomSalt();
  const event = outcomeEvent(options.source, {
    eventId,
    timeMs: options.nowMs(),
    tenant: principal.tenant,
    decisionId: call.id,
    upstream: call.upstream,
    operation: call.name,
    agent: principal.agent,
    sourceIp: call.sourceIp,
    trace: traceObject(call.trace),
    ending,
    settingsVersion,
    salt,
  });
  return {
    chain: principal.tenant,
    eventId,
    canonical: canonicalEvent(event),
    salt,
    conditions: [{ kind: "close_decision", decision_id: call.id } as const, ...effects],
  };
}
