/** The values of `enum` or `const`, found whatever their number. */
import type { JsonValue } from "../json.ts";
import { canonicalKey } from "./canonical_key.ts";
import type { CheckRun } from "./check_run.ts";

/** JSON values: plain ones by themselves, others by their keys. */
export class ValueSet {
  readonly #plain = new Set<JsonValue>();
  readonly #structured = new Set<string>();

  constructor(values: Iterable<JsonValue>) {
    for (const value of values) {
      if (typeof value !== "object" || value === null) this.#plain.add(value);
      else this.#structured.add(canonicalKey(value, { charge: () => {}, keys: new Map() }));
    }
  }

  /** Whether the value is one of them. */
  has(value: JsonValue, run: CheckRun): boolean {
    if (typeof value !== "object" || value === null) {
      run.charge(1 + (typeof value === "string" ? value.length / 64 : 0));
      return this.#plain.has(value);
    }
    return this.#structured.size > 0 && this.#structured.has(run.keyOf(value));
  }
}
