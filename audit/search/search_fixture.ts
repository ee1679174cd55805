/** A chain in memory with an index of its first segments, made by the real builder. */
import type { AuditRow } from "../../core/audit_entry.ts";
import type { JsonObject } from "../../core/json.ts";
import type { SearchIndex } from "./search_events.ts";
import { SEGMENT_EVENTS, SegmentBuilder, type SegmentIndex } from "./segment.ts";

/** `from`: the first event that retention has left. */
export function searchedChain(events: readonly JsonObject[], segments: number, from = 1): SearchIndex {
  const rows: readonly AuditRow[] = events.map((event, at) => ({
    ...{ seq: at + 1, canonical: JSON.stringify(event), hash: "00".repeat(32) },
  })).slice(from - 1);
  const index: SegmentIndex[] = Array.from({ length: segments }, (_, segment) => {
    const builder = new SegmentBuilder();
    const first = segment * SEGMENT_EVENTS;
    events.slice(first, first + SEGMENT_EVENTS).forEach((event, offset) => builder.add(offset, event));
    return builder.build();
  });
  const entries = index.map((one, segment) => [segment, one] as const);
  const within = (range: { readonly from: number; readonly to: number }) =>
    entries.filter(([segment]) => segment >= range.from && segment < range.to);
  return {
    bounds: () => Promise.resolve({ firstSeq: rows[0]?.seq ?? 0, headSeq: events.length, segments }),
    segmentsWithin: (_, range, time) =>
      Promise.resolve(
        new Map(
          within(range).filter(([, { firstTime, lastTime }]) => lastTime >= time.from && firstTime < time.to)
            .map(([segment, { firstTime, lastTime, times }]) => [
              segment,
              firstTime >= time.from && lastTime < time.to ? undefined : times,
            ]),
        ),
      ),
    segmentsWith: (_, range, terms) =>
      Promise.resolve(
        new Map(
          within(range).flatMap(([segment, { hits }]) => {
            const found = terms.flatMap((term) => hits.get(term) ?? []);
            return found.length === terms.length ? [[segment, found] as const] : [];
          }),
        ),
      ),
    newest: (_, { after, upTo }, needles, limit) =>
      Promise.resolve(
        rows.filter(({ seq, canonical }) =>
          seq > after && seq <= upTo && needles.every((needle) => canonical.includes(needle))
        ).toReversed().slice(0, limit),
      ),
    events: (_, seqs) => Promise.resolve(rows.filter(({ seq }) => seqs.includes(seq))),
  };
}
