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
 * `JSON.stringify` writes strings and numbers as RFC 8785 wants them, and members in the order in which they stand: a
 * value whose members are in order already is written as it is, any other as a copy that is. Only names like `"10"`, which
 * every engine moves to the front, need the library: ten times slower.
 */
export function canonicalJson(value: JsonObject): string {
  const text = isInOrder(value, 1) ? JSON.stringify(value) : writtenInOrder(value);
  // JSON.stringify writes lone surrogates and U+0000 as escapes, so one look at the text tells whether to look closer.
  if (text.includes("\\ud") || text.includes("\\u0000")) refuseUnreadableText(value);
  return text;
}

/**
 * Whether the members of every object stand in the order of their UTF-16 code units; refuses what is no JSON. Every
 * member is looked at, also after one that is out of order.
 */
function isInOrder(value: unknown, depth: number): boolean {
  if (typeof value === "string" || value === null || typeof value === "boolean") return true;
  if (typeof value === "number") return isReadable(value);
  if (typeof value !== "object") throw invalid(`it contains a value of type "${typeof value}"`);
  if (depth > MAX_DEPTH) throw invalid(`it is nested deeper than ${MAX_DEPTH}`);
  if (Array.isArray(value)) return areInOrder(value, depth);
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw invalid("it contains an object that is not plain");
  }
  const object = value as Record<string, unknown>;
  let inOrder = true;
  let previous: string | undefined;
  for (const name of Object.keys(object)) {
    const member = object[name];
    if (member === undefined) continue;
    if (previous !== undefined && name < previous) inOrder = false;
    previous = name;
    if (!isInOrder(member, depth + 1)) inOrder = false;
  }
  return inOrder;
}

function areInOrder(values: readonly unknown[], depth: number): boolean {
  let inOrder = true;
  // An index loop: array methods skip holes, which would be written as null.
  for (let index = 0; index < values.length; index++) {
    if (!isInOrder(values[index], depth + 1)) inOrder = false;
  }
  return inOrder;
}

function writtenInOrder(value: JsonObject): string {
  const state = { needsLibrary: false };
  const copy = orderedCopy(value, state);
  return state.needsLibrary ? byLibrary(value) : JSON.stringify(copy);
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

/** A value that is known to be JSON, with the members of every object in order. */
function orderedCopy(value: unknown, state: CopyState): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((member) => orderedCopy(member, state));
  const copy: Record<string, unknown> = {};
  const object = value as Record<string, unknown>;
  for (const name of Object.keys(object).sort()) {
    const member = object[name];
    if (member === undefined) continue;
    const first = name.charCodeAt(0);
    const isKept = (first < 48 || first > 57) && name !== "__proto__";
    if (isKept) copy[name] = orderedCopy(member, state);
    else state.needsLibrary = true;
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

function isReadable(value: number): true {
  if (!Number.isFinite(value)) throw invalid(`it contains ${value}`);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw invalid("it contains an integer beyond 2^53-1");
  }
  return true;
}

function invalid(why: string): GatewayError {
  return new GatewayError("audit_event_invalid", `Cannot canonicalise a value: ${why}`);
}
