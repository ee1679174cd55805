/** The audit record as files to take away. */
import * as z from "zod";
import { chainName, cosigned, eventTerms, seq } from "./audit_words.ts";
import { routeSpec } from "./route.ts";
import { UNKNOWN_TENANT } from "./words.ts";

const READ = { method: "GET", access: { role: "auditor", scope: "tenant" } } as const;

const range = {
  tenant: chainName,
  first: seq.min(1).optional().describe("Sequence number of the first event; absent: 1."),
  last: seq.min(1).optional().describe("Sequence number of the last event; absent: the last there is."),
};

const UNUSABLE_RANGE = {
  code: "unusable_range",
  when: "The range is not one of what the checkpoint covers, or nothing has been signed yet.",
} as const;
const TOO_MANY_EXPORTS = {
  code: "too_many_exports",
  when:
    "The operator, those who export the tenant's record, or all together have too many exports under way.",
} as const;

/** Exports: one that proves what it holds, and one for spreadsheets that proves nothing. */
export const AUDIT_EXPORT_ROUTES = {
  archive: routeSpec({
    id: "exportAudit",
    ...{ ...READ, path: "/audit/export" },
    summary: "Export events with everything that proves them",
    query: z.strictObject({
      ...range,
      size: seq.min(1).optional()
        .describe("Size of the checkpoint to hold the events against; absent: the last one."),
      since_size: seq.min(1).optional()
        .describe("Size of a checkpoint that you hold: the export then proves that the log continues it."),
      cosigned,
      resume_after: seq.min(1).optional()
        .describe("Goes on after this event, the last of a part, without the files before; give `size` too."),
      ...eventTerms,
    }),
    answer: {
      status: 200,
      description: "An archive, see audit_export.md. With a filter, other events stand as their leaf hash.",
      file: "application/x-tar",
    },
    problems: { 404: [UNKNOWN_TENANT], 422: [UNUSABLE_RANGE], 429: [TOO_MANY_EXPORTS] },
  }),
  table: routeSpec({
    id: "listAuditEventsAsCsv",
    ...{ ...READ, path: "/audit/events.csv" },
    summary: "Read events as a table for spreadsheets, which proves nothing",
    query: z.strictObject({ ...range, ...eventTerms }),
    answer: {
      status: 200,
      description: "RFC 4180. An apostrophe stands before whatever a spreadsheet would compute.",
      file: "text/csv; charset=utf-8",
    },
    problems: { 404: [UNKNOWN_TENANT], 422: [UNUSABLE_RANGE], 429: [TOO_MANY_EXPORTS] },
  }),
} as const;
