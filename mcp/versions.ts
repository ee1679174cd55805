/** Protocol versions, and the two eras that they belong to. */
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";

/** What can be negotiated with `initialize`, newest first. */
export const LEGACY_VERSIONS: readonly string[] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/** The version that a legacy client gets which asks for this one. */
export function negotiatedLegacyVersion(requested: unknown): string {
  const isKnown = typeof requested === "string" && LEGACY_VERSIONS.includes(requested);
  return isKnown ? requested : LEGACY_VERSIONS[0] as string;
}

/** Whether clients of a legacy version know events without data, which only bring an id (since 2025-11-25). */
export function mayPrime(version: string): boolean {
  return version >= "2025-11-25";
}

/** Versions of the modern era, in which every request stands alone; newest first. */
export const MODERN_VERSIONS: readonly string[] = ["2026-07-28"];

/** The header's value, or what the specification says to assume without it. */
export const ASSUMED_VERSION = "2025-03-26";

/** The `_meta` member that makes a request one of the modern era. */
export const VERSION_META = "io.modelcontextprotocol/protocolVersion";

/** The modern version that a request speaks, `undefined` for the legacy era. */
export function modernVersion(header: string | null, params: JsonObject | undefined): string | undefined {
  const meta: JsonValue | undefined = params?._meta;
  const stamped = isJsonObject(meta) ? meta[VERSION_META] : undefined;
  if (stamped !== undefined) return typeof stamped === "string" ? stamped : "unreadable";
  return header !== null && /^\d{4}-\d\d-\d\d$/.test(header) && header >= "2026" ? header : undefined;
}
