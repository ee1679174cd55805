/**
 * JSON that every parser reads alike. `JSON.parse` is the authority on syntax and makes the value; one linear scan
 * over the same text then refuses what two parsers could understand differently: duplicate names, `__proto__`, lone
 * surrogates, numbers that are not what they parse to, U+0000 in names, deep nesting.
 */
import type { JsonValue } from "./json.ts";

export type StrictJsonErrorCode =
  | "syntax"
  | "invalid_utf8"
  | "bom"
  | "duplicate_name"
  | "forbidden_name"
  | "nul_in_name"
  | "lone_surrogate"
  | "unsafe_integer"
  | "inexact_number"
  | "too_deep";

/** A text that is no JSON, or JSON that two parsers could read differently. */
export class StrictJsonError extends Error {
  override readonly name = "StrictJsonError";
  /** `path` is a JSON pointer to the value concerned; `offset` counts UTF-16 units, 0 when it is not known. */
  constructor(
    readonly code: StrictJsonErrorCode,
    readonly path: string,
    readonly offset: number,
    message: string,
  ) {
    super(message);
  }
}

export interface StrictJsonLimits {
  /** Deepest nesting of objects and arrays; a lone `{}` has depth 1. */
  readonly maxDepth?: number;
  /** Takes numbers that are not what they parse to; only for who keeps the text and passes that on. Default: refused. */
  readonly keepsNumberText?: boolean;
}

const DEFAULT_MAX_DEPTH = 32;
const BOM = 0xfeff;
/** Shorter integers are always exact: 10^15 is below 2^53. */
const EXACT_DIGITS = 15;
/** Up to this many names a linear search is faster than a Set. */
const SMALL_OBJECT = 8;

/** Parses bytes as strict JSON in UTF-8; a byte order mark and invalid UTF-8 are refused. */
export function parseStrictJsonBytes(bytes: Uint8Array, limits: StrictJsonLimits = {}): JsonValue {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new StrictJsonError("invalid_utf8", "", 0, "The text is not valid UTF-8");
  }
  return parseStrictJson(text, limits);
}

/** Parses a text as strict JSON; throws `StrictJsonError`. */
export function parseStrictJson(text: string, limits: StrictJsonLimits = {}): JsonValue {
  if (text.charCodeAt(0) === BOM) throw new StrictJsonError("bom", "", 0, "A byte order mark is not JSON");
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw syntaxError(error);
  }
  if (!text.isWellFormed()) {
    throw new StrictJsonError("lone_surrogate", "", 0, "The text contains a lone surrogate");
  }
  new Scanner(text, limits.maxDepth ?? DEFAULT_MAX_DEPTH, limits.keepsNumberText ?? false).scanValue(0);
  return value;
}

function syntaxError(cause: unknown): StrictJsonError {
  // V8 names the position in some of its messages only.
  const offset = Number(/position (\d+)/.exec(cause instanceof Error ? cause.message : "")?.[1] ?? 0);
  return new StrictJsonError("syntax", "", offset, "The text is not JSON");
}

const QUOTE = 0x22, COMMA = 0x2c, BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b, CLOSE_ARRAY = 0x5d, OPEN_OBJECT = 0x7b, CLOSE_OBJECT = 0x7d;
const LETTER_T = 0x74, LETTER_F = 0x66, LETTER_N = 0x6e;

/** Walks a text that `JSON.parse` has accepted; every method returns the offset after what it has read. */
class Scanner {
  readonly #text: string;
  readonly #maxDepth: number;
  readonly #keepsNumberText: boolean;
  readonly #path: (string | number)[] = [];
  /** Whether the string that was read last contains an escape. */
  #isEscaped = false;

  constructor(text: string, maxDepth: number, keepsNumberText: boolean) {
    this.#text = text;
    this.#maxDepth = maxDepth;
    this.#keepsNumberText = keepsNumberText;
  }

  scanValue(from: number): number {
    const at = this.#skipSpace(from);
    switch (this.#text.charCodeAt(at)) {
      case OPEN_OBJECT:
        return this.#scanObject(at);
      case OPEN_ARRAY:
        return this.#scanArray(at);
      case QUOTE: {
        const end = this.#endOfString(at);
        if (this.#isEscaped) this.#readString(at, end);
        return end;
      }
      case LETTER_T:
      case LETTER_N:
        return at + 4;
      case LETTER_F:
        return at + 5;
      default:
        return this.#scanNumber(at);
    }
  }

  #scanObject(start: number): number {
    this.#enter(start);
    let at = this.#skipSpace(start + 1);
    const names = new Names();
    while (this.#text.charCodeAt(at) !== CLOSE_OBJECT) {
      const end = this.#endOfString(at);
      const name = this.#readString(at, end);
      this.#path[this.#path.length - 1] = name;
      this.#checkName(name, names, at);
      // The colon is there: the syntax is known to be good.
      at = this.#skipSpace(this.scanValue(this.#skipSpace(end) + 1));
      if (this.#text.charCodeAt(at) === COMMA) at = this.#skipSpace(at + 1);
    }
    this.#path.pop();
    return at + 1;
  }

  #scanArray(start: number): number {
    this.#enter(start);
    let at = this.#skipSpace(start + 1);
    for (let index = 0; this.#text.charCodeAt(at) !== CLOSE_ARRAY; index++) {
      this.#path[this.#path.length - 1] = index;
      at = this.#skipSpace(this.scanValue(at));
      if (this.#text.charCodeAt(at) === COMMA) at = this.#skipSpace(at + 1);
    }
    this.#path.pop();
    return at + 1;
  }

  #enter(at: number): void {
    if (this.#path.length >= this.#maxDepth) {
      this.#refuse("too_deep", at, `Nesting is deeper than ${this.#maxDepth}`);
    }
    this.#path.push("");
  }

  #checkName(name: string, names: Names, at: number): void {
    if (name === "__proto__") this.#refuse("forbidden_name", at, 'The name "__proto__" is not allowed');
    if (name.includes("\0")) this.#refuse("nul_in_name", at, "A name contains U+0000");
    if (!names.add(name)) this.#refuse("duplicate_name", at, `The name ${JSON.stringify(name)} occurs twice`);
  }

  #readString(start: number, end: number): string {
    if (!this.#isEscaped) return this.#text.slice(start + 1, end - 1);
    const read: string = JSON.parse(this.#text.slice(start, end));
    if (!read.isWellFormed()) this.#refuse("lone_surrogate", start, "A string contains a lone surrogate");
    return read;
  }

  #endOfString(start: number): number {
    const text = this.#text;
    this.#isEscaped = false;
    for (let at = start + 1;; at++) {
      const unit = text.charCodeAt(at);
      if (unit === QUOTE) return at + 1;
      if (unit === BACKSLASH) {
        this.#isEscaped = true;
        at++;
      }
    }
  }

  #scanNumber(start: number): number {
    const text = this.#text;
    let at = start;
    let isPlain = true;
    for (; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (unit >= 0x30 && unit <= 0x39) continue;
      if (unit <= 0x20 || unit === COMMA || unit === CLOSE_ARRAY || unit === CLOSE_OBJECT) break;
      if (at !== start || unit !== 0x2d) isPlain = false;
    }
    if (!this.#keepsNumberText && (!isPlain || at - start > EXACT_DIGITS)) {
      this.#checkNumber(text.slice(start, at), start);
    }
    return at;
  }

  #checkNumber(literal: string, at: number): void {
    const value = Number(literal);
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      this.#refuse("unsafe_integer", at, "An integer lies beyond 2^53-1");
    }
    const shortest = String(value);
    if (shortest === literal) return;
    if (!Number.isFinite(value) || decimalOf(literal) !== decimalOf(shortest)) {
      this.#refuse("inexact_number", at, "A number is not exactly what it parses to");
    }
  }

  #skipSpace(from: number): number {
    let at = from;
    while (this.#text.charCodeAt(at) <= 0x20) at++;
    return at;
  }

  #refuse(code: StrictJsonErrorCode, offset: number, message: string): never {
    const path = this.#path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`)
      .join("");
    throw new StrictJsonError(code, path, offset, message);
  }
}

/** The names seen in one object. */
class Names {
  readonly #few: string[] = [];
  #many: Set<string> | undefined;

  /** False when the name was there already. */
  add(name: string): boolean {
    if (this.#many === undefined) {
      if (this.#few.includes(name)) return false;
      this.#few.push(name);
      if (this.#few.length > SMALL_OBJECT) this.#many = new Set(this.#few);
      return true;
    }
    if (this.#many.has(name)) return false;
    this.#many.add(name);
    return true;
  }
}

/** One spelling per decimal value: `digits e exponent`, the digits without zeros at either end; all zeros are equal. */
function decimalOf(literal: string): string {
  const sign = literal.startsWith("-") ? "-" : "";
  const [mantissa = "", exponent = "0"] = literal.slice(sign.length).toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const digits = (whole + fraction).replace(/^0+/, "");
  const significant = withoutFinalZeros(digits);
  if (significant === "") return "0";
  const scale = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${sign}${significant}e${scale}`;
}

/** A loop, because `/0+$/` takes quadratic time on a long run of zeros that something follows. */
function withoutFinalZeros(digits: string): string {
  let end = digits.length;
  while (digits.charCodeAt(end - 1) === 0x30) end--;
  return digits.slice(0, end);
}
