/** A pattern as a program of few kinds of steps, written out to a bounded length. Source: K. Thompson, CACM 11(6), 1968. */
import { type CharacterSet, normalized } from "./character_set.ts";
import { type PatternAssertion, type PatternNode, PatternNotUnderstood } from "./pattern_syntax.ts";

/** One step. `set`: takes a code point of it and goes to the next step. `fork`: goes on at both. */
export type PatternStep =
  | { readonly kind: "set"; readonly set: number }
  | { readonly kind: "fork"; readonly one: number; readonly other: number }
  | { readonly kind: "jump"; readonly to: number }
  | { readonly kind: "assertion"; readonly holds: PatternAssertion }
  | { readonly kind: "match" };

/** A set of a program: its ranges are sorted; properties by their number in the program. */
export interface ProgramSet {
  readonly ranges: readonly number[];
  readonly properties: readonly { readonly index: number; readonly isNegated: boolean }[];
  readonly isNegated: boolean;
}

export interface PatternProgram {
  readonly steps: readonly PatternStep[];
  readonly sets: readonly ProgramSet[];
  /** Where a set begins or has ended, sorted: code points between two of them are in the same sets, properties apart. */
  readonly boundaries: readonly number[];
  readonly properties: readonly RegExp[];
  /** Every way through it begins with `^`. */
  readonly isAnchored: boolean;
}

/** Most steps of one program: `{1,1000}` writes out what it repeats a thousand times. */
export const MAX_PATTERN_STEPS = 5_000;
/** Most properties that one pattern may name. */
const MAX_PROPERTIES = 4;

/** Writes a pattern out; throws `PatternNotUnderstood` for one that is too long or names an unknown property. */
export function patternProgram(node: PatternNode): PatternProgram {
  const writer = new ProgramWriter();
  if (sizeOf(node) > MAX_PATTERN_STEPS) throw new PatternNotUnderstood("its repetitions are too many");
  writer.write(node);
  writer.steps.push({ kind: "match" });
  const boundaries = new Set<number>();
  for (const { ranges } of writer.sets) {
    for (let at = 0; at < ranges.length; at += 2) boundaries.add(ranges[at]!).add(ranges[at + 1]! + 1);
  }
  return {
    ...{ steps: writer.steps, sets: writer.sets, properties: [...writer.properties.values()] },
    boundaries: [...boundaries].sort((one, other) => one - other),
    isAnchored: isAnchored(node),
  };
}

/** Steps that a node is written out to; a repetition of nothing counts, since writing it takes time, too. */
function sizeOf(node: PatternNode): number {
  switch (node.kind) {
    case "set":
    case "assertion":
      return 1;
    case "sequence":
      return node.parts.reduce((sum, part) => sum + sizeOf(part), 0);
    case "choice":
      return node.parts.reduce((sum, part) => sum + sizeOf(part) + 2, 0);
    case "repeat": {
      const size = Math.max(1, sizeOf(node.part));
      return node.max === Infinity
        ? Math.max(1, node.min) * size + 2
        : node.min * size + (node.max - node.min) * (size + 1);
    }
  }
}

function isAnchored(node: PatternNode): boolean {
  if (node.kind === "assertion") return node.holds === "start";
  if (node.kind === "choice") return node.parts.every(isAnchored);
  if (node.kind === "repeat") return node.min > 0 && isAnchored(node.part);
  return node.kind === "sequence" && node.parts[0] !== undefined && isAnchored(node.parts[0]);
}

class ProgramWriter {
  readonly steps: PatternStep[] = [];
  readonly sets: ProgramSet[] = [];
  readonly properties = new Map<string, RegExp>();
  readonly #setsByText = new Map<string, number>();
  readonly #setsKnown = new Map<CharacterSet, number>();

  write(node: PatternNode): void {
    if (node.kind === "set") this.steps.push({ kind: "set", set: this.#setOf(node.set) });
    else if (node.kind === "assertion") this.steps.push(node);
    else if (node.kind === "sequence") { for (const part of node.parts) this.write(part); }
    else if (node.kind === "choice") this.#writeChoice(node.parts);
    else this.#writeRepeat(node.part, node.min, node.max);
  }

  #writeChoice(parts: readonly PatternNode[]): void {
    const ends: number[] = [];
    for (const [index, part] of parts.entries()) {
      if (index === parts.length - 1) {
        this.write(part);
        break;
      }
      const fork = this.#reserve();
      this.write(part);
      ends.push(this.#reserve());
      this.steps[fork] = { kind: "fork", one: fork + 1, other: this.steps.length };
    }
    for (const end of ends) this.steps[end] = { kind: "jump", to: this.steps.length };
  }

  #writeRepeat(part: PatternNode, min: number, max: number): void {
    let start = this.steps.length;
    for (let count = 0; count < min; count++) {
      start = this.steps.length;
      this.write(part);
    }
    if (max === Infinity && min > 0) {
      this.steps.push({ kind: "fork", one: start, other: this.steps.length + 1 });
    } else if (max === Infinity) {
      const fork = this.#reserve();
      this.write(part);
      this.steps.push({ kind: "jump", to: fork });
      this.steps[fork] = { kind: "fork", one: fork + 1, other: this.steps.length };
    } else {
      const forks: number[] = [];
      for (let count = min; count < max; count++) {
        forks.push(this.#reserve());
        this.write(part);
      }
      for (const fork of forks) this.steps[fork] = { kind: "fork", one: fork + 1, other: this.steps.length };
    }
  }

  /** A place for a step whose targets are not known yet. */
  #reserve(): number {
    return this.steps.push({ kind: "match" }) - 1;
  }

  #setOf(set: CharacterSet): number {
    let known = this.#setsKnown.get(set);
    if (known !== undefined) return known;
    const { ranges, properties, isNegated } = normalized(set);
    const own = properties.map((property) => ({
      index: this.#propertyOf(property.name),
      isNegated: property.isNegated,
    }));
    const text = JSON.stringify([ranges, own, isNegated]);
    known = this.#setsByText.get(text) ?? this.sets.push({ ranges, properties: own, isNegated }) - 1;
    this.#setsByText.set(text, known);
    this.#setsKnown.set(set, known);
    return known;
  }

  #propertyOf(name: string): number {
    if (!this.properties.has(name)) {
      if (this.properties.size === MAX_PROPERTIES) {
        throw new PatternNotUnderstood("it names too many properties");
      }
      try {
        this.properties.set(name, new RegExp(`^\\p{${name}}$`, "u"));
      } catch {
        throw new PatternNotUnderstood("a property of another kind");
      }
    }
    return [...this.properties.keys()].indexOf(name);
  }
}
