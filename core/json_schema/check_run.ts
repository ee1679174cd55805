/** The state of one check of a value: what was found, and how much work is left. */
import type { JsonObject, JsonValue } from "../json.ts";
import { canonicalKey } from "./canonical_key.ts";
import { CheckWork, WorkExhausted } from "./check_work.ts";
import type { PatternMatchers } from "./pattern_matchers.ts";
import type { PatternProgram } from "./pattern_program.ts";

/** One place where a value is not what the schema wants. It never holds the value. */
export interface SchemaViolation {
  /** JSON pointer into the value, shortened. */
  readonly pointer: string;
  readonly keyword: string;
}

/** A place in the value, told from the inside out; `undefined` is the value itself. */
export type Place = { readonly outer: Place; readonly name: string | number } | undefined;

/** Whether one subschema, or one keyword of it, holds; says to the run what does not. */
export type Rule = (value: JsonValue, place: Place, run: CheckRun) => boolean;

/** Most places that are told. */
export const MAX_VIOLATIONS = 5;
/** Subschemas inside each other: requests are at most 32 deep, and a schema combines a few at each level. */
const MAX_DEPTH = 500;
const MAX_POINTER_LENGTH = 200;
/** Objects with fewer members are quicker looked at than remembered. */
export const FEW_NAMES = 16;

/** Passed through all rules of one check. */
export class CheckRun {
  readonly found: SchemaViolation[] = [];
  readonly #work: CheckWork;
  #depth = 0;
  #quiet = 0;
  readonly #names = new Map<object, readonly string[]>();
  readonly #matchers: PatternMatchers;
  readonly #charge = (units: number) => this.charge(units);
  readonly #keyWork = { charge: this.#charge, keys: new Map<object, string>() };

  constructor(value: JsonValue, matchers: PatternMatchers) {
    this.#matchers = matchers;
    this.#work = new CheckWork(value);
  }

  /** Every loop over something that a stranger sent is charged here; throws `WorkExhausted`. */
  charge(units: number): void {
    this.#work.charge(units);
  }

  /** Before and after the rules of one subschema. */
  enter(rules: number): void {
    this.charge(3 + rules);
    if (++this.#depth > MAX_DEPTH) throw new WorkExhausted();
  }
  leave(): void {
    this.#depth--;
  }

  /** Nobody asks for a further violation. */
  get isDecided(): boolean {
    return this.#quiet > 0 || this.found.length >= MAX_VIOLATIONS;
  }

  /** Says that a keyword does not hold; always `false`. */
  fail(place: Place, keyword: string): false {
    if (!this.isDecided) this.found.push({ pointer: pointerOf(place), keyword });
    return false;
  }

  /** Whether a rule holds; what it finds is not kept. */
  accepts(rule: Rule, value: JsonValue): boolean {
    this.#quiet++;
    const holds = rule(value, undefined, this);
    this.#quiet--;
    return holds;
  }

  matches(program: PatternProgram, text: string): boolean {
    return this.#matchers.matches(program, text, this.#charge);
  }

  /** The names of an object's members, collected once. */
  namesOf(value: JsonObject): readonly string[] {
    const known = this.#names.get(value);
    if (known !== undefined) return known;
    const names = Object.keys(value);
    if (names.length < FEW_NAMES) this.charge(names.length);
    else {
      this.charge(4 * names.length);
      this.#names.set(value, names);
    }
    return names;
  }

  /** The canonical key of a part of the value, made once. */
  keyOf(value: JsonValue): string {
    return canonicalKey(value, this.#keyWork);
  }
}

function pointerOf(place: Place): string {
  const names: string[] = [];
  for (let at = place; at !== undefined; at = at.outer) {
    // Cut before it is escaped: names may be long.
    const name = typeof at.name === "number" ? `${at.name}` : at.name.slice(0, MAX_POINTER_LENGTH + 1);
    names.push(name.replaceAll("~", "~0").replaceAll("/", "~1"));
  }
  const pointer = names.reverse().map((name) => `/${name}`).join("");
  return pointer.length > MAX_POINTER_LENGTH
    ? `${pointer.slice(0, MAX_POINTER_LENGTH).toWellFormed()}…`
    : pointer;
}
