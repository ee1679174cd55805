/** The matchers of one schema's patterns, kept from check to check as long as what they remember is little. */
import { type Charge, PatternMatcher } from "./linear_pattern.ts";
import type { PatternProgram } from "./pattern_program.ts";

/** States that all matchers of one schema may remember between two checks: those of some usual patterns. */
export const MAX_KEPT_STATES = 200;
const MAX_KEPT_MATCHERS = 50;

export class PatternMatchers {
  readonly #matchers = new Map<PatternProgram, PatternMatcher>();

  /** Whether a pattern matches somewhere in the text. */
  matches(program: PatternProgram, text: string, charge: Charge): boolean {
    let matcher = this.#matchers.get(program);
    if (matcher === undefined) this.#matchers.set(program, matcher = new PatternMatcher(program, charge));
    return matcher.matches(text, charge);
  }

  /** After a check: what remembers too much is forgotten. */
  settle(): void {
    let states = 0;
    for (const { size } of this.#matchers.values()) states += size;
    if (states > MAX_KEPT_STATES || this.#matchers.size > MAX_KEPT_MATCHERS) this.#matchers.clear();
  }

  /** Matchers that are kept. */
  get size(): number {
    return this.#matchers.size;
  }
}
