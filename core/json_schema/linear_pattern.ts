/** Patterns of schemas that strangers wrote, as programs: no text makes them back-track, and they stop when told. */
import { isInRanges, isWordCharacter } from "./character_set.ts";
import { type PatternProgram, patternProgram, type ProgramSet } from "./pattern_program.ts";
import { parsePattern, type PatternAssertion, PatternNotUnderstood } from "./pattern_syntax.ts";

/** Longer patterns are not read. */
export const MAX_PATTERN_LENGTH = 1_000;

/** The pattern's program; `undefined` for one that is wrong, too large, or that takes a back-tracking engine. */
export function linearPattern(source: string): PatternProgram | undefined {
  if (source.length > MAX_PATTERN_LENGTH) return undefined;
  try {
    return patternProgram(parsePattern(source));
  } catch (error) {
    if (error instanceof PatternNotUnderstood) return undefined;
    throw error;
  }
}

/** What stands before a place in the text. */
type Before = "nothing" | "word" | "other";

/** All that is known at a place in the text: where the program may stand, before it looks at the next character. */
interface State {
  readonly steps: Int32Array;
  readonly before: Before;
  /** By class of the next character; `matched` when nothing more is needed. */
  readonly next: (State | "matched" | undefined)[];
  atEnd: State | "matched" | undefined;
}

/** Larger states are not remembered: to find them again would take as long as to compute them. */
const MAX_REMEMBERED_STEPS = 64;
/** States and their ways that are remembered; then everything is forgotten. */
const MAX_REMEMBERED = 2_000;
/** Characters that cost one unit when everything is known. */
const CHARACTERS_PER_UNIT = 2;
/** Characters between two charges. */
const STRIDE = 64;
const ASCII = 128;
/** Classes that states remember a way for. */
const MAX_CLASSES = 256;
const UNKNOWN = -1;

/** Is told of work as it is done, and may throw. */
export type Charge = (units: number) => void;

/** Matches one program against texts, and remembers what it has computed. */
export class PatternMatcher {
  readonly #program: PatternProgram;
  #charge: Charge;
  /** Steps reached in this round, as a set with an order. */
  readonly #reached: Int32Array;
  readonly #marks: Int32Array;
  #round = 0;
  readonly #classes = new Int32Array(ASCII).fill(UNKNOWN);
  readonly #classNumbers = new Map<number, number>();
  readonly #states = new Map<string, State>();
  #remembered = 0;
  #first: State | undefined;

  constructor(program: PatternProgram, charge: Charge) {
    charge(150 + program.steps.length / 8);
    this.#program = program;
    this.#charge = charge;
    this.#reached = new Int32Array(program.steps.length);
    this.#marks = new Int32Array(program.steps.length);
  }

  /** How many states are remembered. */
  get size(): number {
    return this.#states.size;
  }

  /** Whether the program matches somewhere in the text. */
  matches(text: string, charge: Charge): boolean {
    this.#charge = charge;
    this.#charge(5 + Math.min(text.length, STRIDE) / CHARACTERS_PER_UNIT);
    let state = this.#first ??= this.#state(Int32Array.of(0), "nothing");
    for (let at = 0, count = 1; at < text.length; count++) {
      if (count % STRIDE === 0) this.#charge(STRIDE / CHARACTERS_PER_UNIT);
      const code = text.codePointAt(at)!;
      const kind = this.#classOf(code);
      const next = state.next[kind] ?? this.#advance(state, kind, code);
      if (next === "matched") return true;
      if (next.steps.length === 0) return false;
      state = next;
      at += code > 0xffff ? 2 : 1;
    }
    return (state.atEnd ??= this.#computed(state, undefined)) === "matched";
  }

  /** The number of a character's class, whose characters are in the same sets; `MAX_CLASSES` for one without a number. */
  #classOf(code: number): number {
    const known = code < ASCII ? this.#classes[code]! : UNKNOWN;
    if (known !== UNKNOWN) return known;
    const { boundaries, properties } = this.#program;
    this.#charge(1 + 4 * properties.length);
    let [low, high] = [0, boundaries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (boundaries[middle]! <= code) low = middle + 1;
      else high = middle;
    }
    let found = low;
    for (const property of properties) {
      found = found * 2 + (property.test(String.fromCodePoint(code)) ? 1 : 0);
    }
    // Boundaries of words look at characters that are in no set.
    found = found * 2 + (isWordCharacter(code) ? 1 : 0);
    let number = this.#classNumbers.get(found);
    if (number === undefined) {
      number = Math.min(this.#classNumbers.size, MAX_CLASSES);
      if (number < MAX_CLASSES) this.#classNumbers.set(found, number);
    }
    if (code < ASCII) this.#classes[code] = number;
    return number;
  }

  #advance(state: State, kind: number, code: number): State | "matched" {
    const next = this.#computed(state, code);
    if (state.steps.length > MAX_REMEMBERED_STEPS || kind === MAX_CLASSES) return next;
    if (++this.#remembered > MAX_REMEMBERED) {
      this.#states.clear();
      this.#remembered = 0;
    } else state.next[kind] = next;
    return next;
  }

  #computed(state: State, code: number | undefined): State | "matched" {
    const count = this.#follow(state, code);
    if (count === "matched") return count;
    if (code === undefined) return this.#state(new Int32Array(0), state.before);
    const { steps, sets, isAnchored } = this.#program;
    const isIn = new Map<number, boolean>();
    const next: number[] = isAnchored ? [] : [0];
    for (let index = 0; index < count; index++) {
      const at = this.#reached[index]!;
      const step = steps[at]!;
      if (step.kind !== "set") continue;
      let holds = isIn.get(step.set);
      if (holds === undefined) isIn.set(step.set, holds = this.#holds(sets[step.set]!, code));
      if (holds) next.push(at + 1);
    }
    return this.#state(Int32Array.from(next), isWordCharacter(code) ? "word" : "other");
  }

  /** Goes wherever the steps of a state lead without taking a character; how many steps that reaches. */
  #follow({ steps: from, before }: State, code: number | undefined): number | "matched" {
    const { steps } = this.#program;
    const round = ++this.#round;
    let count = 0;
    const reach = (at: number) => {
      if (this.#marks[at] === round) return;
      this.#marks[at] = round;
      this.#reached[count++] = at;
    };
    for (const at of from) reach(at);
    for (let index = 0; index < count; index++) {
      const at = this.#reached[index]!;
      const step = steps[at]!;
      if (step.kind === "match") return "matched";
      if (step.kind === "fork") {
        reach(step.one);
        reach(step.other);
      } else if (step.kind === "jump") reach(step.to);
      else if (step.kind === "assertion" && isTrue(step.holds, before, code)) reach(at + 1);
    }
    this.#charge(40 + 2 * count);
    return count;
  }

  #holds({ ranges, properties, isNegated }: ProgramSet, code: number): boolean {
    const isFound = isInRanges(ranges, code) ||
      properties.some((property) =>
        this.#program.properties[property.index]!.test(String.fromCodePoint(code)) !== property.isNegated
      );
    this.#charge(1 + 4 * properties.length);
    return isFound !== isNegated;
  }

  #state(steps: Int32Array, before: Before): State {
    if (steps.length > MAX_REMEMBERED_STEPS) return newState(steps, before);
    this.#charge(4 + steps.length);
    const key = `${before} ${steps.join()}`;
    let state = this.#states.get(key);
    if (state === undefined) this.#states.set(key, state = newState(steps, before));
    return state;
  }
}

function newState(steps: Int32Array, before: Before): State {
  return { steps, before, next: [], atEnd: undefined };
}

function isTrue(assertion: PatternAssertion, before: Before, code: number | undefined): boolean {
  if (assertion === "start") return before === "nothing";
  if (assertion === "end") return code === undefined;
  const isWord = code !== undefined && isWordCharacter(code);
  return (isWord !== (before === "word")) === (assertion === "boundary");
}
