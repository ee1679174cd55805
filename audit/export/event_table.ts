/** Events as a table for spreadsheets (CSV, RFC 4180). A view: nothing can be proven with it. */
import type { AuditRow } from "../../core/audit_entry.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { memberAt } from "../event_terms.ts";
import type { ExportFilter } from "./export_archive.ts";

const COLUMNS: readonly (readonly [string, (event: JsonObject, row: AuditRow) => JsonValue | undefined])[] = [
  ["seq", (_, { seq }) => seq],
  ["time", (event) => timeText(event.time)],
  ["event", (event) => memberAt(event, "metadata", "event_code")],
  ["agent", (event) => memberAt(event, "actor", "app_uid")],
  ["operator", (event) => memberAt(event, "unmapped", "operator", "id")],
  ["upstream", (event) => memberAt(event, "api", "service", "name")],
  ["tool", (event) => memberAt(event, "api", "operation")],
  ["decision", (event) => memberAt(event, "unmapped", "decision")],
  ["check", (event) => memberAt(event, "unmapped", "check")],
  ["outcome", (event) => memberAt(event, "unmapped", "outcome")],
  ["code", (event) => event.status_code],
  ["detail", (event) => event.status_detail],
  ["decision_id", (event) => memberAt(event, "metadata", "correlation_uid")],
  ["entity", (event) => memberAt(event, "entity", "type")],
  ["entity_id", (event) => memberAt(event, "entity", "uid")],
  ["source_ip", (event) => memberAt(event, "src_endpoint", "ip") ?? memberAt(event, "unmapped", "source_ip")],
  ["chain_hash (this table proves nothing: use an export)", (_, { hash }) => hash],
];

/**
 * What spreadsheets take for a formula at the beginning of a cell (OWASP, CSV Injection; ASVS 5.0, 1.2.10), also the
 * full-width forms and what stands after quotes and spaces.
 */
const FORMULA = /^(?:[\t\r\n]|["'\s]*[=+\-@\0\uff1d\uff0b\uff0d\uff20])/;
/** Where a cell could begin inside, and what it would begin with. Takes each run as a whole: a long one costs no more. */
const INNER_BEGIN = /([,;|"'\s]+)([=+\-@\0\uff1d\uff0b\uff0d\uff20]?)/g;
/** A cell begins here if the separator is another than ours, which the language of the reader decides. */
const SEPARATOR = /[,;|\t\r\n]/;
/** A cell of anything else stands in quotes. */
const PLAIN = /^[\p{L}\p{N} ._~/:()-]*$/u;

/** The first line. */
export const TABLE_HEADER: string = lineOf(COLUMNS.map(([name]) => name));

/** The lines of these events; those that a filter leaves out have none. */
export function tableLines(rows: readonly AuditRow[], filter: ExportFilter | undefined): string {
  let lines = "";
  for (const row of rows) {
    const event: JsonValue = JSON.parse(row.canonical);
    if (!isJsonObject(event) || filter?.keeps(event) === false) continue;
    lines += lineOf(COLUMNS.map(([, value]) => value(event, row)));
  }
  return lines;
}

function lineOf(values: readonly (JsonValue | undefined)[]): string {
  return `${values.map(cell).join(",")}\r\n`;
}

/** One cell: an apostrophe stands before what a spreadsheet would compute, and quotes around what it could cut. */
export function cell(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const inside = text.replace(
    INNER_BEGIN,
    (whole, before, formula) => formula !== "" && SEPARATOR.test(before) ? `${before}'${formula}` : whole,
  );
  const harmless = FORMULA.test(inside) ? `'${inside}` : inside;
  return PLAIN.test(harmless) && harmless === harmless.trim()
    ? harmless
    : `"${harmless.replaceAll('"', '""')}"`;
}

function timeText(time: JsonValue | undefined): string | undefined {
  if (typeof time !== "number" || Math.abs(time) > 8.64e15) return undefined;
  return new Date(time).toISOString();
}
