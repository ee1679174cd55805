/** What makes an entry that could not be appended in time one that can be appended later, once. */
import type { AppendCondition, AuditEntry } from "../core/audit_entry.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { canonicalEvent } from "./shorten.ts";

/** The same entry with `unmapped.recorded_late`, to be dropped when its first attempt was recorded after all. */
export function lateEntry(entry: AuditEntry, keptAtMs: number): AuditEntry {
  const event: JsonObject = JSON.parse(entry.canonical);
  const unmapped = isJsonObject(event.unmapped) ? event.unmapped : {};
  const marked = { ...event, unmapped: { ...unmapped, recorded_late: { kept_at: keptAtMs } } };
  const once: AppendCondition = { kind: "not_recorded", event_id: entry.eventId };
  return { ...entry, canonical: canonicalEvent(marked), conditions: [once, ...entry.conditions] };
}
