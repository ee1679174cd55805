/** Equality of JSON values by their texts. */
import { isJsonObject, type JsonValue } from "../json.ts";

/** What making keys takes, and those that were made. */
export interface KeyWork {
  /** Told of work before most of it is done; may throw. */
  charge(units: number): void;
  readonly keys: Map<object, string>;
}

/** One text per JSON value: numbers by value, objects whatever the order of their members. */
export function canonicalKey(value: JsonValue, work: KeyWork): string {
  if (typeof value !== "object" || value === null) {
    work.charge(4 + (typeof value === "string" ? value.length / 8 : 0));
    // Not by JSON.stringify: what an upstream wrote as 1e400 is not null.
    return typeof value === "number" ? String(value) : JSON.stringify(value);
  }
  const known = work.keys.get(value);
  if (known !== undefined) return known;
  const key = Array.isArray(value)
    ? `[${value.map((member) => canonicalKey(member, work)).join(",")}]`
    : isJsonObject(value)
    ? `{${
      sortedNames(Object.keys(value), work).map((name) =>
        `${canonicalKey(name, work)}:${canonicalKey(value[name] ?? null, work)}`
      ).join(",")
    }}`
    : "";
  work.charge(16 + key.length / 8);
  work.keys.set(value, key);
  return key;
}

function sortedNames(names: string[], { charge }: KeyWork): readonly string[] {
  charge(names.length * Math.ceil(Math.log2(names.length + 2)));
  return names.sort();
}
