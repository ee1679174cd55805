import canonicalize from "canonicalize";
import { GatewayError } from "./errors.ts";
import type { JsonObject } from "./json.ts";

/** Deeper values are refused instead of overflowing the stack. */
const MAX_DEPTH = 128;

/**
 * RFC 8785 text of an object: one spelling per value, the same in every implementation. Members that are `undefined`
 * are dropped. Refuses with `audit_event_invalid` what other readers of the chain could not read back: integers beyond
 * 2^53-1, non-finite numbers, lone surrogates, U+0000, and whatever is not JSON.
 *
 * `JSON.stringify` writes strings and numbers as RFC 8785 wants them, so it is given a copy whose members are in order.
 * Only names like `"10"`, which every engine moves to the front, need the library: ten times slower.
 */
export function canonicalJson(value: JsonObject): string {
  const state = { needsLibrary: false };
  const copy = orderedCopy(value, 1, state);
  const text = state.needsLibrary ? byLibrary(value) : JSON.stringify(copy);
  // Both write lone surrogates and U+0000 as escapes, so one look at the text tells whether to look closer.
  if (text.includes("\\ud") || text.includes("\\u0000")) refuseUnreadableText(value);
  return text;
}

function byLibrary(value: JsonObject): string {
  refuseUnreadableText(value);
  const text = canonicalize(value);
  if (text === undefined) throw invalid("it is not a JSON value");
  return text;
}

interface CopyState {
  needsLibrary: boolean;
}

/** The value with the members of every object in the order of their UTF-16 code units; refuses what is no JSON. */
function orderedCopy(value: unknown, depth: number, state: CopyState): unknown {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") return readableNumber(value);
  if (typeof value !== "object") throw invalid(`it contains a value of type "${typeof value}"`);
  if (depth > MAX_DEPTH) throw invalid(`it is nested deeper than ${MAX_DEPTH}`);
  if (Array.isArray(value)) {
    // An index loop: array methods skip holes, which would be written as null.
    const copy: unknown[] = [];
    for (let index = 0; index < value.length; index++) copy.push(orderedCopy(value[index], depth + 1, state));
    return copy;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw invalid("it contains an object that is not plain");
  }
  return orderedObject(value as Record<string, unknown>, depth, state);
}

function orderedObject(value: Record<string, unknown>, depth: number, state: CopyState): unknown {
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value).sort()) {
    const member = value[name];
    if (member === undefined) continue;
    const first = name.charCodeAt(0);
    const isKept = (first < 48 || first > 57) && name !== "__proto__";
    if (!isKept) state.needsLibrary = true;
    const ordered = orderedCopy(member, depth + 1, state);
    if (isKept) copy[name] = ordered;
  }
  return copy;
}

/** Looks at every text of a value that is known to be plain JSON. */
function refuseUnreadableText(value: unknown): void {
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw invalid("it contains a lone surrogate");
    if (value.includes("\0")) throw invalid("it contains U+0000");
  } else if (Array.isArray(value)) {
    for (const member of value) refuseUnreadableText(member);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      if (member === undefined) continue;
      refuseUnreadableText(name);
      refuseUnreadableText(member);
    }
  }
}

function readableNumber(value: number): number {
  if (!Number.isFinite(value)) throw invalid(`it contains ${value}`);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw invalid("it contains an integer beyond 2^53-1");
  }
  return value;
}

function invalid(why: string): GatewayError {
  return new GatewayError("audit_event_invalid", `Cannot canonicalise a value: ${why}`);
}
