/** Schemas that several routes use. Their patterns mean the same in every dialect of regular expressions. */
import * as z from "zod";
import { tenantName } from "../../core/config.ts";
import type { JsonValue } from "../../core/json.ts";

/** Text that audit events and the database can hold: no control characters. Lengths count code points. */
export function plainText(minLength: number, maxLength: number) {
  const pattern = new RegExp(`^[^\\u0000-\\u001f\\u007f-\\u009f]{${minLength},${maxLength}}$`, "u");
  return z.string()
    .regex(pattern, `text of ${minLength} to ${maxLength} characters without control characters`)
    .meta({ minLength, maxLength });
}

/** The same without line and paragraph separators: names inside a capability token. */
export function tokenText(maxLength: number) {
  const pattern = new RegExp(`^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]{1,${maxLength}}$`, "u");
  return z.string()
    .regex(pattern, `text of 1 to ${maxLength} characters without control characters and line separators`)
    .meta({ minLength: 1, maxLength });
}

/** Bytes in base64url without padding. */
export function base64url(bytes: number) {
  const pattern = new RegExp(`^[A-Za-z0-9_-]{${Math.ceil(bytes * 4 / 3)}}$`);
  return z.string().regex(pattern, `base64url of ${bytes} bytes`);
}

const exact = z.number().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);

/** Any JSON that every reader reads alike. */
export const jsonValue: z.ZodType<JsonValue> = z.lazy(() =>
  z.union([
    z.string(),
    exact,
    z.boolean(),
    z.null(),
    z.array(jsonValue),
    z.record(tokenText(1024), jsonValue),
  ])
);

/** A point in time in epoch seconds. */
export const seconds = z.int().min(0).describe("Epoch seconds.");

/** Number of something that is counted from 1. */
export const number = z.int().min(1);

/** Why a change was made; stands in the audit event. */
export const reason = plainText(1, 500).describe("Why; stands in the audit event.");

const limit = z.int().min(1).max(1000).default(100).describe("Most rows of a page.");

/** Query parameters of every list: a cursor and a limit, with further ones. */
export function pageQuery<Cursor extends z.ZodType, More extends z.core.$ZodLooseShape>(
  cursor: Cursor,
  more: More,
) {
  const after = cursor.optional().describe(
    "`next_after` of the page before; absent: the first page.",
  );
  return z.strictObject({ ...more, after, limit });
}

/** Answer of every list: its rows, and where the next page begins. */
export function page<Name extends string, Row extends z.ZodType, Cursor extends z.ZodType>(
  name: Name,
  row: Row,
  cursor: Cursor,
) {
  const rows = { [name]: z.array(row) } as Record<Name, z.ZodArray<Row>>;
  return z.strictObject({
    ...rows,
    next_after: cursor.nullable().describe("Cursor of the next page; null when this is the last one."),
  });
}

/** A tenant in a query: the list is about this one. */
export const tenantQuery = tenantName.describe("The tenant.");

/** The problem that every route with a tenant may answer. */
export const UNKNOWN_TENANT = {
  code: "unknown_tenant",
  when: "The tenant does not exist or is not the operator's: the same answer.",
} as const;
