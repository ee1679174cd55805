/** Which events an export keeps. */
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import type { ExportFilter } from "./export_archive.ts";

/** What may be asked for; absent members leave nothing out. Times in epoch seconds. */
export interface EventTerms {
  readonly agent?: string | undefined;
  readonly upstream?: string | undefined;
  readonly tool?: string | undefined;
  readonly decision?: string | undefined;
  /** Included. */
  readonly from_time?: number | undefined;
  /** Not included. */
  readonly to_time?: number | undefined;
}

const MEMBERS = ["agent", "upstream", "tool", "decision", "from_time", "to_time"] as const;

/** The filter that these terms ask for; `undefined` when they ask for none. */
export function eventFilter(asked: EventTerms): ExportFilter | undefined {
  const terms: Record<string, string> = {};
  for (const name of MEMBERS) if (asked[name] !== undefined) terms[name] = String(asked[name]);
  if (Object.keys(terms).length === 0) return undefined;
  return { terms, keeps: (event) => fits(event, asked) };
}

function fits(
  event: JsonObject,
  { agent, upstream, tool, decision, from_time, to_time }: EventTerms,
): boolean {
  const is = (wanted: string | undefined, ...path: readonly string[]) =>
    wanted === undefined || memberAt(event, ...path) === wanted;
  return is(agent, "actor", "app_uid") && is(upstream, "api", "service", "name") &&
    is(tool, "api", "operation") && is(decision, "unmapped", "decision") &&
    isWithin(event.time, from_time, to_time);
}

/** An event without a time is never left out by one. */
function isWithin(time: JsonValue | undefined, from: number | undefined, to: number | undefined): boolean {
  if (typeof time !== "number") return true;
  return (from === undefined || time >= from * 1000) && (to === undefined || time < to * 1000);
}

/** A member at a path; `undefined` where the event has none. */
export function memberAt(event: JsonObject, ...path: readonly string[]): JsonValue | undefined {
  let found: JsonValue | undefined = event;
  for (const name of path) found = isJsonObject(found) ? found[name] : undefined;
  return found;
}
