/** Counts what will never be in a chain, until the chain says so itself. */
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import { type Gap, GAP_REASONS, type GapReason, type GapSpan, spanOf } from "./gap_event.ts";

/** What is missing from one chain, for one reason: each becomes one event. */
export class Gaps {
  readonly #newId: () => string;
  /** Still counting, by chain, what and reason. */
  readonly #open = new Map<string, Gap>();
  /** On their way into their chains, by event id: their count no longer changes. */
  readonly #closed = new Map<string, Gap>();

  constructor(newId: () => string) {
    this.#newId = newId;
  }

  /** Counts; true when this is the first of its gap. */
  add(missing: Pick<Gap, "chain" | "what" | "reason" | "count"> & GapSpan): boolean {
    const { chain, what, reason, count } = missing;
    const key = JSON.stringify([chain, what, reason]);
    const known = this.#open.get(key);
    this.#open.set(key, {
      ...{ eventId: known?.eventId ?? this.#newId(), chain, what, reason },
      count: (known?.count ?? 0) + count,
      ...spanOf(missing, known),
    });
    return known === undefined;
  }

  /** Takes over a gap of a process that ended. */
  adopt(gap: Gap): void {
    this.#closed.set(gap.eventId, gap);
  }

  /** Those whose counting has ended, and which are to be recorded. */
  closed(): readonly Gap[] {
    return [...this.#closed.values()];
  }

  /** Ends the counting of all others and returns these. */
  close(): readonly Gap[] {
    const gaps = [...this.#open.values()];
    for (const gap of gaps) this.#closed.set(gap.eventId, gap);
    this.#open.clear();
    return gaps;
  }

  /** Its event is in the chain. */
  recorded(eventId: string): void {
    this.#closed.delete(eventId);
  }

  /** Its chain does not take its event: it counts for the installation instead. */
  refused(gap: Gap): void {
    this.#closed.delete(gap.eventId);
    this.add({ ...gap, chain: INSTALLATION_CHAIN, reason: "refused" });
  }

  all(): readonly Gap[] {
    return [...this.#closed.values(), ...this.#open.values()];
  }
}

/** A gap as it stands in a file. */
export function gapMember(gap: Gap): JsonObject {
  const { eventId, chain, what, reason, count, startMs, endMs } = gap;
  return { gap: { event_id: eventId, chain, what, reason, count, start_ms: startMs, end_ms: endMs } };
}

/** The gap of such a member; `undefined` when it is a member of another kind. Throws `TypeError` for half a gap. */
export function gapOf(member: JsonObject): Gap | undefined {
  if (member.gap === undefined) return undefined;
  const { event_id, chain, what, reason, count, start_ms, end_ms } = isJsonObject(member.gap)
    ? member.gap
    : {};
  const numbers = [count, start_ms, end_ms].every((value) => Number.isSafeInteger(value));
  const isWhat = what === "decisions" || what === "records";
  if (typeof event_id !== "string" || typeof chain !== "string" || !isWhat || !isReason(reason) || !numbers) {
    throw new TypeError("Expected a gap with event_id, chain, what, reason, count, start_ms and end_ms");
  }
  return {
    ...{ eventId: event_id, chain, what, reason },
    ...{ count: Number(count), startMs: Number(start_ms), endMs: Number(end_ms) },
  };
}

function isReason(value: JsonValue | undefined): value is GapReason {
  return typeof value === "string" && Object.hasOwn(GAP_REASONS, value);
}
