/** What events are asked for by: one definition for search, stream and export, so that they never disagree. */
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";

/** Members that events are found by, each equal to one text. */
export const TERM_NAMES = [
  ...["agent", "upstream", "tool", "decision", "check", "code"] as const,
  ...["event_code", "block_id", "approval", "decision_id"] as const,
] as const;

export type TermName = (typeof TERM_NAMES)[number];

/** What may be asked for; absent members leave nothing out. */
export type EventTerms =
  & { readonly [Name in TermName]?: string | undefined }
  & {
    /** Included; epoch seconds, by the event's own time. */
    readonly from_time?: number | undefined;
    /** Not included. */
    readonly to_time?: number | undefined;
  };

/** Where a term stands; `of`: only in events about an entity of this type. */
interface Place {
  readonly path: readonly string[];
  readonly of?: string;
}

/** See docs/reference/audit_search.md. What an array holds counts each. */
const PLACES: Readonly<Record<TermName, readonly Place[]>> = {
  agent: [{ path: ["actor", "app_uid"] }],
  upstream: [{ path: ["api", "service", "name"] }],
  tool: [{ path: ["api", "operation"] }],
  decision: [{ path: ["unmapped", "decision"] }],
  check: [{ path: ["unmapped", "check"] }],
  code: [{ path: ["status_code"] }],
  event_code: [{ path: ["metadata", "event_code"] }],
  block_id: [
    { path: ["unmapped", "block_ids"] },
    { path: ["actor", "session", "uid"] },
    { path: ["entity", "uid"], of: "capability_token" },
    { path: ["entity", "data", "value"], of: "revocation" },
  ],
  approval: [{ path: ["unmapped", "approval"] }, { path: ["entity", "uid"], of: "approval" }],
  decision_id: [{ path: ["metadata", "correlation_uid"] }],
};

/** The texts that an event has for a term. */
export function termValues(event: JsonObject, name: TermName): readonly string[] {
  const found: string[] = [];
  for (const { path, of } of PLACES[name]) {
    if (of !== undefined && memberAt(event, "entity", "type") !== of) continue;
    let value: JsonValue | undefined = event;
    for (const part of path) value = isJsonObject(value) ? value[part] : undefined;
    if (typeof value === "string") addNew(found, value);
    else if (Array.isArray(value)) {
      for (const text of value) if (typeof text === "string") addNew(found, text);
    }
  }
  return found;
}

function addNew(texts: string[], text: string): void {
  if (!texts.includes(text)) texts.push(text);
}

/** Whether an event is one of those asked for. An event without a time is never left out by one. */
export function fitsTerms(event: JsonObject, asked: EventTerms): boolean {
  for (const name of TERM_NAMES) {
    const wanted = asked[name];
    if (wanted !== undefined && !termValues(event, name).includes(wanted)) return false;
  }
  return isWithin(event.time, asked);
}

/** The terms that are asked for, without the times. */
export function wantedTerms(asked: EventTerms): readonly (readonly [TermName, string])[] {
  return TERM_NAMES.flatMap((name) => {
    const value = asked[name];
    return value === undefined ? [] : [[name, value] as const];
  });
}

/** Texts that stand in the canonical form (RFC 8785) of every event that fits; other events may hold them too. */
export function needlesOf(asked: EventTerms): readonly string[] {
  return [...new Set(wantedTerms(asked).map(([, value]) => JSON.stringify(value)))];
}

/** A member at a path; `undefined` where the event has none. */
export function memberAt(event: JsonObject, ...path: readonly string[]): JsonValue | undefined {
  let found: JsonValue | undefined = event;
  for (const name of path) found = isJsonObject(found) ? found[name] : undefined;
  return found;
}

function isWithin(time: JsonValue | undefined, { from_time: from, to_time: to }: EventTerms): boolean {
  if (typeof time !== "number") return true;
  return (from === undefined || time >= from * 1000) && (to === undefined || time < to * 1000);
}
