import canonicalize from "canonicalize";
import { GatewayError } from "./errors.ts";
import type { JsonObject } from "./json.ts";

/** Deeper values are refused instead of overflowing the stack. */
const MAX_DEPTH = 128;

/**
 * RFC 8785 text of an object: one spelling per value, the same in every implementation. Members that are `undefined`
 * are dropped. Refuses with `audit_event_invalid` what other readers of the chain could not read back: integers beyond
 * 2^53-1, non-finite numbers, lone surrogates, U+0000, and whatever is not JSON.
 */
export function canonicalJson(value: JsonObject): string {
  refuseUnreadable(value, 1);
  const text = canonicalize(value);
  if (text === undefined) throw invalid("it is not a JSON value");
  return text;
}

function refuseUnreadable(value: unknown, depth: number): void {
  if (value === null || typeof value === "boolean") return;
  if (typeof value === "string") return refuseText(value);
  if (typeof value === "number") return refuseNumber(value);
  if (typeof value !== "object") throw invalid(`it contains a value of type "${typeof value}"`);
  if (depth > MAX_DEPTH) throw invalid(`it is nested deeper than ${MAX_DEPTH}`);
  if (Array.isArray(value)) {
    // An index loop: array methods skip holes, which `canonicalize` would write as null.
    for (let index = 0; index < value.length; index++) refuseUnreadable(value[index], depth + 1);
    return;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw invalid("it contains an object that is not plain");
  }
  for (const name of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[name];
    refuseText(name);
    if (member !== undefined) refuseUnreadable(member, depth + 1);
  }
}

function refuseText(text: string): void {
  if (!text.isWellFormed()) throw invalid("it contains a lone surrogate");
  if (text.includes("\0")) throw invalid("it contains U+0000");
}

function refuseNumber(value: number): void {
  if (!Number.isFinite(value)) throw invalid(`it contains ${value}`);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw invalid("it contains an integer beyond 2^53-1");
  }
}

function invalid(why: string): GatewayError {
  return new GatewayError("audit_event_invalid", `Cannot canonicalise a value: ${why}`);
}
