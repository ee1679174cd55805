/**
 * Patterns as ECMA-262 reads them in `u` mode (§22.2.1), without what takes a back-tracking engine: look-around and back
 * references. Also read are spellings of web patterns that `u` mode refuses and that have one meaning everywhere: escaped
 * punctuation (`\-`, `\_`), `{`, `}` and `]` for themselves, `[\w-.]`, and `(?P<name>…)`.
 */
import { type CharacterProperty, type CharacterSet, CLASS_ESCAPES, DOT, single } from "./character_set.ts";

/** What a pattern consists of. */
export type PatternNode =
  | { readonly kind: "set"; readonly set: CharacterSet }
  | { readonly kind: "assertion"; readonly holds: PatternAssertion }
  | { readonly kind: "sequence"; readonly parts: readonly PatternNode[] }
  | { readonly kind: "choice"; readonly parts: readonly PatternNode[] }
  | { readonly kind: "repeat"; readonly part: PatternNode; readonly min: number; readonly max: number };

export type PatternAssertion = "start" | "end" | "boundary" | "no_boundary";

/** Thrown for a pattern that is wrong, or that is not understood. */
export class PatternNotUnderstood extends Error {
  override readonly name = "PatternNotUnderstood";
}

/** Reads a pattern; throws `PatternNotUnderstood`. Takes time that grows with its length only. */
export function parsePattern(source: string): PatternNode {
  return new PatternParser(source).parse();
}

const SIMPLE_ESCAPES: ReadonlyMap<string, number> = new Map([
  ...[["t", 9], ["n", 10], ["v", 11], ["f", 12], ["r", 13]] as const,
]);
const ASSERTIONS: ReadonlyMap<string, PatternAssertion> = new Map([
  ...[["b", "boundary"], ["B", "no_boundary"]] as const,
]);
/** A property's name, or name and value. */
/** Characters of the longest name of a group or property, and of the longest limits of a repetition. */
const LONGEST_NAME = 102;
const LONGEST_LIMITS = 20;
const NOWHERE = { text: "", end: -1 } as const;
const PROPERTY_NAME = /^[A-Za-z0-9_]{1,50}(=[A-Za-z0-9_]{1,50})?$/;
const GROUP_NAME = /^[A-Za-z_$][\w$]{0,100}$/;

class PatternParser {
  readonly #chars: readonly string[];
  #at = 0;

  constructor(source: string) {
    this.#chars = [...source];
  }

  parse(): PatternNode {
    const node = this.#choice();
    if (this.#at < this.#chars.length) throw new PatternNotUnderstood("a parenthesis closes nothing");
    return node;
  }

  #peek(ahead = 0): string | undefined {
    return this.#chars[this.#at + ahead];
  }

  #skip(text: string): boolean {
    for (let index = 0; index < text.length; index++) if (this.#peek(index) !== text[index]) return false;
    this.#at += text.length;
    return true;
  }

  #choice(): PatternNode {
    const parts = [this.#sequence()];
    while (this.#skip("|")) parts.push(this.#sequence());
    return parts.length === 1 ? parts[0]! : { kind: "choice", parts };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    for (let next = this.#peek(); next !== undefined && next !== "|" && next !== ")"; next = this.#peek()) {
      parts.push(this.#quantified(this.#term()));
    }
    return parts.length === 1 ? parts[0]! : { kind: "sequence", parts };
  }

  #term(): PatternNode {
    const char = this.#chars[this.#at++]!;
    if (char === "^") return { kind: "assertion", holds: "start" };
    if (char === "$") return { kind: "assertion", holds: "end" };
    if (char === "(") return this.#group();
    if (char === ".") return { kind: "set", set: DOT };
    if (char === "[") return { kind: "set", set: this.#class() };
    if (char === "*" || char === "+" || char === "?") throw new PatternNotUnderstood("nothing to repeat");
    if (char === "{" && /[\d,]/.test(this.#peek() ?? "")) throw new PatternNotUnderstood("nothing to repeat");
    if (char !== "\\") return { kind: "set", set: single(char.codePointAt(0)!) };
    const holds = ASSERTIONS.get(this.#peek() ?? "");
    if (holds === undefined) return { kind: "set", set: this.#escape() };
    this.#at++;
    return { kind: "assertion", holds };
  }

  #group(): PatternNode {
    if (this.#peek() === "?" && !this.#skip("?:")) {
      if (!this.#skip("?<") && !this.#skip("?P<")) throw new PatternNotUnderstood("a group of another kind");
      const { text: name, end } = this.#upTo(">", LONGEST_NAME);
      // What follows `?<` may be a look-behind, too.
      if (end === -1 || !GROUP_NAME.test(name)) throw new PatternNotUnderstood("a group of another kind");
      this.#at = end + 1;
    }
    const node = this.#choice();
    if (!this.#skip(")")) throw new PatternNotUnderstood("a parenthesis is not closed");
    // A group of its own: `(^)*` may be repeated where `^*` may not.
    return { kind: "sequence", parts: [node] };
  }

  #quantified(part: PatternNode): PatternNode {
    const limits = this.#quantifier();
    if (limits === undefined) return part;
    if (part.kind === "assertion") throw new PatternNotUnderstood("nothing to repeat");
    this.#skip("?"); // whether it is lazy changes what is found, never whether
    const [min, max] = limits;
    if (min > max) throw new PatternNotUnderstood("a repetition has its limits in the wrong order");
    return { kind: "repeat", part, min, max };
  }

  #quantifier(): readonly [number, number] | undefined {
    if (this.#skip("*")) return [0, Infinity];
    if (this.#skip("+")) return [1, Infinity];
    if (this.#skip("?")) return [0, 1];
    if (this.#peek() !== "{") return undefined;
    const { text, end } = this.#upTo("}", LONGEST_LIMITS, this.#at + 1);
    const found = end === -1 ? null : /^(\d{1,9})(,(\d{0,9}))?$/.exec(text);
    if (found === null) {
      // `{,3}` is text here and a repetition elsewhere; longer numbers are too many anyway.
      const isOther = /^[\d,]+$/.test(text) && (end !== -1 || text.length === LONGEST_LIMITS);
      if (isOther) throw new PatternNotUnderstood("a repetition of another kind");
      return undefined;
    }
    this.#at = end + 1;
    const min = Number(found[1]);
    return [min, found[2] === undefined ? min : found[3] === "" ? Infinity : Number(found[3])];
  }

  /** What stands before the mark, and where that is; -1 where it does not come soon: looking far would cost for each. */
  #upTo(mark: string, most: number, from = this.#at): { readonly text: string; readonly end: number } {
    const near = this.#chars.slice(from, from + most + 1);
    const found = near.indexOf(mark);
    return found === -1
      ? { text: near.slice(0, most).join(""), end: -1 }
      : { text: near.slice(0, found).join(""), end: from + found };
  }

  #class(): CharacterSet {
    const isNegated = this.#skip("^");
    const ranges: number[] = [];
    const properties: CharacterProperty[] = [];
    const add = (set: CharacterSet) => {
      ranges.push(...set.ranges);
      properties.push(...set.properties);
    };
    while (!this.#skip("]")) {
      const first = this.#classAtom();
      if (this.#peek() !== "-" || this.#peek(1) === "]") {
        add(first);
        continue;
      }
      this.#at++;
      const last = this.#classAtom();
      const [from, to] = [codeOf(first), codeOf(last)];
      if (from === undefined || to === undefined) {
        for (const set of [first, single(0x2d), last]) add(set);
      } else if (from > to) throw new PatternNotUnderstood("a range has its ends in the wrong order");
      else ranges.push(from, to);
    }
    return { ranges, properties, isNegated };
  }

  #classAtom(): CharacterSet {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw new PatternNotUnderstood("a bracket is not closed");
    if (char !== "\\") return single(char.codePointAt(0)!);
    return this.#skip("b") ? single(8) : this.#escape();
  }

  /** What follows a backslash. */
  #escape(): CharacterSet {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw new PatternNotUnderstood("a backslash at the end");
    const ranges = CLASS_ESCAPES.get(char);
    if (ranges !== undefined) return { ranges, properties: [], isNegated: false };
    if (char === "p" || char === "P") return this.#property(char === "P");
    const simple = SIMPLE_ESCAPES.get(char);
    if (simple !== undefined) return single(simple);
    if (char === "0" && !/\d/.test(this.#peek() ?? "")) return single(0);
    if (char === "x") return single(this.#hex(2));
    if (char === "u") return single(this.#unicode());
    if (char === "c" && /[A-Za-z]/.test(this.#peek() ?? "")) {
      return single(this.#chars[this.#at++]!.charCodeAt(0) % 32);
    }
    // Back references, and letters that mean something else to every engine.
    if (/[A-Za-z0-9]/.test(char)) throw new PatternNotUnderstood("an escape of another kind");
    return single(char.codePointAt(0)!);
  }

  #hex(length: number): number {
    const text = this.#chars.slice(this.#at, this.#at + length).join("");
    if (text.length !== length || !/^[0-9a-fA-F]+$/.test(text)) {
      throw new PatternNotUnderstood("an escape of another kind");
    }
    this.#at += length;
    return Number.parseInt(text, 16);
  }

  #unicode(): number {
    if (this.#skip("{")) {
      const { text, end } = this.#upTo("}", LONGEST_LIMITS);
      const code = end !== -1 && /^[0-9a-fA-F]{1,20}$/.test(text) ? Number.parseInt(text, 16) : Infinity;
      if (code > 0x10ffff) throw new PatternNotUnderstood("an escape of another kind");
      this.#at = end + 1;
      return code;
    }
    const code = this.#hex(4);
    const isPair = code >= 0xd800 && code <= 0xdbff && this.#peek() === "\\" && this.#peek(1) === "u" &&
      /^[dD][c-fC-F][0-9a-fA-F]{2}$/.test(this.#chars.slice(this.#at + 2, this.#at + 6).join(""));
    if (!isPair) return code;
    this.#at += 2;
    return (code - 0xd800) * 0x400 + (this.#hex(4) - 0xdc00) + 0x10000;
  }

  #property(isNegated: boolean): CharacterSet {
    const { text: name, end } = this.#skip("{") ? this.#upTo("}", LONGEST_NAME) : NOWHERE;
    if (end === -1 || !PROPERTY_NAME.test(name)) throw new PatternNotUnderstood("a property of another kind");
    this.#at = end + 1;
    return { ranges: [], properties: [{ name, isNegated }], isNegated: false };
  }
}

/** The code point of a set of one, where it can stand at an end of a range. */
function codeOf({ ranges, properties }: CharacterSet): number | undefined {
  return properties.length === 0 && ranges.length === 2 && ranges[0] === ranges[1] ? ranges[0] : undefined;
}
