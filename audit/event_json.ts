/** The JSON of events as every reader can read it, whatever language it is written in. */
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";

/** Levels of objects and arrays, as `core/canonical_json.ts` writes them at most. */
const MAX_DEPTH = 128;

/** The object that a text is; `undefined` for what is none, is nested deeper, or has a number beyond 2^53 − 1. */
export function parseEventJson(text: string): JsonObject | undefined {
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isJsonObject(value) && isReadable(value, 1) ? value : undefined;
}

function isReadable(value: JsonValue | undefined, depth: number): boolean {
  if (typeof value === "number") return Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  if (typeof value !== "object" || value === null) return true;
  if (depth > MAX_DEPTH) return false;
  // Loops: this is asked of every event of a record.
  if (Array.isArray(value)) {
    for (const member of value) if (!isReadable(member, depth + 1)) return false;
    return true;
  }
  const object = value as JsonObject;
  for (const name in object) if (!isReadable(object[name], depth + 1)) return false;
  return true;
}
