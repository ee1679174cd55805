/**
 * The event that says what is missing: OCSF 1.8.0 Event Log Activity (class 1008), in the chain that the missing events
 * would stand in. Source: https://schema.ocsf.io/1.8.0/classes/event_log_activity
 */
import type { AuditEntry } from "../core/audit_entry.ts";
import { eventMetadata, eventProvenance, type EventSource } from "./event.ts";
import { canonicalEvent } from "./shorten.ts";

/** Why events are missing. */
export const GAP_REASONS = {
  bound: "more were decided while the database was away than the data folder may hold",
  unwritable: "neither the database nor the data folder took them",
  damaged: "the file that held them is not what was written",
  refused: "the database refused them",
} as const;
export type GapReason = keyof typeof GAP_REASONS;

/** Events that will never be in a chain. */
export interface Gap {
  /** Of the gap event; given when the gap opens, so that it is recorded once however often that is tried. */
  readonly eventId: string;
  readonly chain: string;
  /** `decisions`: refusals of calls. `records`: nobody can say of what. */
  readonly what: "decisions" | "records";
  readonly reason: GapReason;
  readonly count: number;
  /** Epoch milliseconds of the first and the last of them. */
  readonly startMs: number;
  readonly endMs: number;
}

/** Times of the first and the last of several. */
export type GapSpan = Pick<Gap, "startMs" | "endMs">;

/** The span of both. */
export function spanOf(left: GapSpan, right: GapSpan | undefined = left): GapSpan {
  return { startMs: Math.min(left.startMs, right.startMs), endMs: Math.max(left.endMs, right.endMs) };
}

const CLASS_EVENT_LOG_ACTIVITY = 1008;

/** The entry of one gap, recorded once. */
export function gapEntry(
  source: EventSource,
  gap: Gap,
  now: { readonly timeMs: number; readonly settingsVersion: number },
): AuditEntry {
  const { eventId, chain, what, reason, count } = gap;
  const event = {
    activity_id: 99,
    activity_name: "Gap",
    category_uid: 1,
    class_uid: CLASS_EVENT_LOG_ACTIVITY,
    count,
    end_time: gap.endMs,
    log_name: chain,
    message: `${count} ${what} are missing here: ${GAP_REASONS[reason]}`,
    metadata: eventMetadata(source, { id: eventId, tenant: chain, code: "audit.gap", profiles: [] }),
    severity_id: 4,
    start_time: gap.startMs,
    status_code: reason,
    status_id: 2,
    time: now.timeMs,
    type_uid: CLASS_EVENT_LOG_ACTIVITY * 100 + 99,
    unmapped: { ...eventProvenance(source, now.settingsVersion), gap: { reason, what } },
  };
  return {
    ...{ chain, eventId, canonical: canonicalEvent(event) },
    conditions: [{ kind: "not_recorded", event_id: eventId }],
  };
}
