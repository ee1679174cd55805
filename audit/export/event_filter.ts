/** Which events an export keeps. */
import { type EventTerms, fitsTerms, wantedTerms } from "../event_terms.ts";
import type { ExportFilter } from "./export_archive.ts";

/** The filter that these terms ask for; `undefined` when they ask for none. */
export function eventFilter(asked: EventTerms): ExportFilter | undefined {
  const times = [["from_time", asked.from_time], ["to_time", asked.to_time]] as const;
  const terms = Object.fromEntries([
    ...wantedTerms(asked),
    ...times.flatMap(([name, value]) => value === undefined ? [] : [[name, String(value)] as const]),
  ]);
  if (Object.keys(terms).length === 0) return undefined;
  return { terms, keeps: (event) => fitsTerms(event, asked) };
}
