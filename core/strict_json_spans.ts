/**
 * Where the parts of a JSON text stand, so that a message can be edited by splicing text: everything that is not
 * edited stays byte for byte what it was, numbers beyond 2^53 included. Offsets count UTF-16 units. All functions
 * expect a text that `JSON.parse` accepts.
 */
import { StrictJsonError } from "./strict_json.ts";

/** A value's place: `text.slice(start, end)`. */
export interface JsonSpan {
  readonly start: number;
  readonly end: number;
}

/** The values of an object's members by name, in the order of the text. */
export type MemberSpans = ReadonlyMap<string, JsonSpan>;

/** The members of the object at `object.start`, or of the whole text; a duplicate name throws `StrictJsonError`. */
export function memberSpans(text: string, object?: JsonSpan): MemberSpans {
  const members = new Map<string, JsonSpan>();
  eachPart(text, object?.start ?? 0, "{", (at) => {
    const nameEnd = endOfString(text, at);
    const name: string = JSON.parse(text.slice(at, nameEnd));
    if (members.has(name)) {
      throw new StrictJsonError(
        "duplicate_name",
        `/${name}`,
        at,
        `The name ${JSON.stringify(name)} occurs twice`,
      );
    }
    const start = skipSpace(text, skipSpace(text, nameEnd) + 1);
    const end = endOfValue(text, start);
    members.set(name, { start, end });
    return end;
  });
  return members;
}

/** The elements of the array at `array.start`, or of the whole text. */
export function elementSpans(text: string, array?: JsonSpan): readonly JsonSpan[] {
  const elements: JsonSpan[] = [];
  eachPart(text, array?.start ?? 0, "[", (start) => {
    const end = endOfValue(text, start);
    elements.push({ start, end });
    return end;
  });
  return elements;
}

/** The text with one member of the object at `object` set: its value replaced, or the member put in front. */
export function withMember(text: string, object: JsonSpan, name: string, valueText: string): string {
  const members = memberSpans(text, object);
  const old = members.get(name);
  if (old !== undefined) return withSpan(text, old, valueText);
  const separator = members.size === 0 ? "" : ",";
  const inside = object.start + 1;
  return withSpan(text, { start: inside, end: inside }, `${JSON.stringify(name)}:${valueText}${separator}`);
}

/** The text with one span replaced. */
export function withSpan(text: string, span: JsonSpan, replacement: string): string {
  return text.slice(0, span.start) + replacement + text.slice(span.end);
}

/** Calls `read` at the start of every member or element; `read` answers where it ends. */
function eachPart(text: string, from: number, open: "{" | "[", read: (at: number) => number): void {
  const start = skipSpace(text, from);
  if (text[start] !== open) {
    throw new TypeError(`Cannot find the parts of a JSON value that is not a "${open}"`);
  }
  let at = skipSpace(text, start + 1);
  while (text[at] !== "}" && text[at] !== "]") {
    at = skipSpace(text, read(at));
    if (text[at] === ",") at = skipSpace(text, at + 1);
  }
}

function endOfValue(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return endOfString(text, start);
  if (first !== "{" && first !== "[") return endOfLiteral(text, start);
  let depth = 0;
  for (let at = start; at < text.length;) {
    const unit = text[at];
    if (unit === '"') {
      at = endOfString(text, at);
      continue;
    }
    if (unit === "{" || unit === "[") depth++;
    else if (unit === "}" || unit === "]") depth--;
    at++;
    if (depth === 0) return at;
  }
  throw new TypeError("Cannot find the end of a JSON value: the text ends first");
}

function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  throw new TypeError("Cannot find the end of a JSON string: the text ends first");
}

function endOfLiteral(text: string, start: number): number {
  let at = start;
  while (at < text.length && !/[\s,\]}]/.test(text.charAt(at))) at++;
  return at;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) <= 0x20) at++;
  return at;
}
