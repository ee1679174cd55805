/** Equality of JSON values: numbers by value, objects whatever the order of their members. */
import { isJsonObject, type JsonValue } from "../json.ts";

/** Whether two values are the same JSON. */
export function isEqual(one: JsonValue, other: JsonValue): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  return canonicalKey(one) === canonicalKey(other);
}

/** One text per JSON value. */
export function canonicalKey(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonicalKey).join(",")}]`;
  if (!isJsonObject(value)) return JSON.stringify(value === 0 ? 0 : value);
  const members = Object.keys(value).sort().map((name) =>
    `${JSON.stringify(name)}:${canonicalKey(value[name] ?? null)}`
  );
  return `{${members.join(",")}}`;
}
