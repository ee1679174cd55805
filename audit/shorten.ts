import { Buffer } from "node:buffer";
import { canonicalJson } from "../core/canonical_json.ts";
import { MAX_EVENT_BYTES } from "../core/audit_entry.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";

/** Characters a string and members an array may keep, tried in turn until the event fits. */
const LIMITS = [4_000, 1_000, 250, 60, 20] as const;

/**
 * Canonical text of an event, shortened with marks when it is longer than `MAX_EVENT_BYTES`.
 * A cut string ends with `… [N characters cut]`; `unmapped.shortened` is then true.
 */
export function canonicalEvent(event: JsonObject): string {
  const whole = canonicalJson(event);
  if (fits(whole)) return whole;
  for (const limit of LIMITS) {
    const cut = canonicalJson(mark(shorten(event, limit) as JsonObject));
    if (fits(cut)) return cut;
  }
  throw new RangeError(
    `Cannot shorten an audit event of ${whole.length} characters to ${MAX_EVENT_BYTES} bytes`,
  );
}

function fits(text: string): boolean {
  return text.length <= MAX_EVENT_BYTES / 3 || Buffer.byteLength(text, "utf8") <= MAX_EVENT_BYTES;
}

function mark(event: JsonObject): JsonObject {
  const unmapped = isJsonObject(event.unmapped) ? event.unmapped : {};
  return { ...event, unmapped: { ...unmapped, shortened: true } };
}

function shorten(value: JsonValue | undefined, limit: number): JsonValue | undefined {
  if (typeof value === "string") return shortenText(value, limit);
  if (Array.isArray(value)) return value.slice(0, limit).map((member) => shorten(member, limit) ?? null);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).slice(0, Math.max(limit, 40)).map((
      [name, member],
    ) => [name, shorten(member, limit)]),
  );
}

/** Cuts a text to `limit` characters without splitting a surrogate pair, and says how much went. */
export function shortenText(text: string, limit: number): string {
  if (text.length <= limit + 40) return text;
  const last = text.charCodeAt(limit - 1);
  const end = last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit;
  return `${text.slice(0, end)}… [${text.length - end} characters cut]`;
}
