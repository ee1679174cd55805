/** Sets of code points, as atoms of patterns name them. Source: ECMA-262, §22.2.2.9 (CharacterClassEscape, `u` mode). */

/** A property of Unicode, tested by the engine's own tables. */
export interface CharacterProperty {
  /** What stands in `\p{…}`. */
  readonly name: string;
  readonly isNegated: boolean;
}

/** A set of code points: those in `ranges` and those with one of `properties`, or all others. */
export interface CharacterSet {
  /** First and last code points in turn: `[0x30, 0x39, 0x41, 0x5a]`. In any order, and they may overlap. */
  readonly ranges: readonly number[];
  readonly properties: readonly CharacterProperty[];
  readonly isNegated: boolean;
}

const MAX_CODE_POINT = 0x10ffff;

const DIGITS = [0x30, 0x39];
const WORD = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];
/** WhiteSpace and LineTerminator. */
const SPACE = [
  ...[0x09, 0x0d, 0x20, 0x20, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a],
  ...[0x2028, 0x2029, 0x202f, 0x202f, 0x205f, 0x205f, 0x3000, 0x3000, 0xfeff, 0xfeff],
];

/** Ranges of `\d`, `\D`, `\w`, `\W`, `\s` and `\S` by their letter. */
export const CLASS_ESCAPES: ReadonlyMap<string, readonly number[]> = new Map([
  ["d", DIGITS],
  ["D", complement(DIGITS)],
  ["w", WORD],
  ["W", complement(WORD)],
  ["s", SPACE],
  ["S", complement(SPACE)],
]);

/** What `.` matches: anything but the ends of lines. */
export const DOT: CharacterSet = {
  ranges: [0x0a, 0x0a, 0x0d, 0x0d, 0x2028, 0x2029],
  properties: [],
  isNegated: true,
};

/** The set of one code point. */
export function single(code: number): CharacterSet {
  return { ranges: [code, code], properties: [], isNegated: false };
}

/** Whether `\b` takes it for a part of a word. */
export function isWordCharacter(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f ||
    (code >= 0x30 && code <= 0x39);
}

/** The same set with sorted ranges that do not touch. */
export function normalized(set: CharacterSet): CharacterSet {
  const pairs: [number, number][] = [];
  for (let at = 0; at < set.ranges.length; at += 2) pairs.push([set.ranges[at]!, set.ranges[at + 1]!]);
  pairs.sort(([one], [other]) => one - other);
  const ranges: number[] = [];
  for (const [first, last] of pairs) {
    const end = ranges.at(-1);
    if (end !== undefined && first <= end + 1) ranges[ranges.length - 1] = Math.max(end, last);
    else ranges.push(first, last);
  }
  return { ...set, ranges };
}

/** Whether a code point lies in sorted ranges. */
export function isInRanges(ranges: ArrayLike<number>, code: number): boolean {
  let low = 0;
  let high = ranges.length / 2 - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (code < ranges[2 * middle]!) high = middle - 1;
    else if (code > ranges[2 * middle + 1]!) low = middle + 1;
    else return true;
  }
  return false;
}

/** Of sorted ranges. */
function complement(ranges: readonly number[]): readonly number[] {
  const rest: number[] = [];
  let next = 0;
  for (let at = 0; at < ranges.length; at += 2) {
    if (ranges[at]! > next) rest.push(next, ranges[at]! - 1);
    next = ranges[at + 1]! + 1;
  }
  if (next <= MAX_CODE_POINT) rest.push(next, MAX_CODE_POINT);
  return rest;
}
