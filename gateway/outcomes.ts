/** Sees to it that every recorded allow of this process gets its outcome event, however often the database stumbles. */
import { canonicalEvent } from "../audit/shorten.ts";
import { type EventSource, outcomeEvent } from "../audit/event.ts";
import type { Appender } from "../audit/appender.ts";
import type { AppendCondition } from "../core/audit_entry.ts";
import type { EndingKind, Principal, ToolCall } from "../core/call.ts";
import type { ForwardEnding } from "../mcp/port.ts";

/** How a call ended; a call that never left has no upstream time. */
export type CallEnding = Omit<ForwardEnding, "upstreamMs"> & { readonly upstreamMs?: number };

export interface OutcomesOptions {
  readonly appender: Appender;
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
  /** Writes the outcome, retrying until the database has it or this process stops. */
  finish(allowed: AllowedCall, ending: CallEnding, effects: readonly AppendCondition[]): Promise<void>;
  /** Gives up retrying; the sweeper of another replica or of the next start does the rest. */
  close(): void;
}

export function createOutcomes(options: OutcomesOptions): Outcomes {
  const live = new Set<string>();
  let closed = false;
  const finish: Outcomes["finish"] = async (allowed, ending, effects) => {
    const entry = outcomeEntry(options, allowed, ending, effects);
    while (!closed) {
      try {
        const { status } = await options.appender.append(entry, { owed: true }).done;
        live.delete(allowed.call.id);
        if (status === "appended") options.onRecorded?.(ending.kind);
        return;
      } catch (error) {
        options.onError(error);
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
    close: () => void (closed = true),
  };
}

function outcomeEntry(
  options: OutcomesOptions,
  { call, principal, settingsVersion }: AllowedCall,
  ending: CallEnding,
  effects: readonly AppendCondition[],
) {
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
