/** How much work one look at a value may take, so that no schema and no value holds the thread that serves all calls. */
import { isJsonObject, type JsonValue } from "../json.ts";

/**
 * Units of work: as many as `WORK_BASE`, and `WORK_PER_PART` more for every part of the value and every 64 characters, but
 * never more than `MAX_WORK`. A unit takes some 10 to 50 nanoseconds.
 */
export const WORK_BASE = 50_000;
const WORK_PER_PART = 64;
export const MAX_WORK = 1_000_000;
const CHARACTERS_PER_PART = 64;
/** Parts are counted no deeper. */
const MAX_DEPTH = 500;

/** Thrown when the work is used up. */
export class WorkExhausted extends Error {
  override readonly name = "WorkExhausted";
}

/** The work that is left for one value. */
export class CheckWork {
  #left: number;

  constructor(value: JsonValue) {
    const parts = (MAX_WORK - WORK_BASE) / WORK_PER_PART;
    this.#left = WORK_BASE + WORK_PER_PART * (parts - partsLeft(value, parts, MAX_DEPTH));
  }

  /** Every loop over something that a stranger sent is charged here; throws `WorkExhausted`. */
  charge(units: number): void {
    this.#left -= units;
    if (this.#left < 0) throw new WorkExhausted();
  }
}

/** What is left of a number of parts; never less than 0, and what is beyond is not looked at. */
function partsLeft(value: JsonValue, left: number, depth: number): number {
  let rest = left - 1;
  if (typeof value === "string") return Math.max(0, rest - value.length / CHARACTERS_PER_PART);
  if (typeof value !== "object" || value === null || depth === 0) return Math.max(0, rest);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length && rest > 0; index++) {
      rest = partsLeft(value[index]!, rest, depth - 1);
    }
  } else if (isJsonObject(value)) {
    for (const name in value) {
      if (rest <= 0) break;
      rest = partsLeft(value[name] ?? null, rest - name.length / CHARACTERS_PER_PART, depth - 1);
    }
  }
  return Math.max(0, rest);
}
