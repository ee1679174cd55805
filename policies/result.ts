import { GatewayError } from "../core/errors.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";

/** A policy's answer. What refuses says why; an allow may. */
export type PolicyResult =
  | { readonly decision: "allow"; readonly code?: string; readonly reason?: string }
  | { readonly decision: "block" | "escalate"; readonly code: string; readonly reason: string };

const CODE = /^[a-z][a-z0-9_]{0,63}$/;
const MAX_REASON_LENGTH = 500;
const MEMBERS: ReadonlySet<string> = new Set(["decision", "code", "reason"]);

/**
 * Reads OPA's result set: exactly one result, exactly the members `decision`, `code` and `reason`. A member that is not
 * known is refused too: a policy that says more than the gateway understands must not be half obeyed.
 */
export function parsePolicyResult(resultSet: unknown): PolicyResult {
  const document = onlyResult(resultSet);
  for (const name of Object.keys(document)) {
    if (!MEMBERS.has(name)) refuse(`expected only "decision", "code" and "reason", got another member`);
  }
  const { decision } = document;
  const code = textOf(document, "code", (text) => CODE.test(text));
  const reason = textOf(document, "reason", isReason);
  if (decision === "allow") {
    return { decision, ...(code === undefined ? {} : { code }), ...(reason === undefined ? {} : { reason }) };
  }
  if (decision !== "block" && decision !== "escalate") {
    refuse(`expected "decision" to be "allow", "block" or "escalate"`);
  }
  if (code === undefined || reason === undefined) refuse(`expected "code" and "reason" beside "${decision}"`);
  return { decision, code, reason };
}

/** Reads the result set of `may_list`: what is undefined is not listed. */
export function parseMayList(resultSet: unknown): boolean {
  const first = firstResult(resultSet);
  if (first === undefined) return false;
  if (typeof first.result !== "boolean") refuse(`expected "may_list" to be true, false or undefined`);
  return first.result;
}

function onlyResult(resultSet: unknown): JsonObject {
  const first = firstResult(resultSet);
  if (first === undefined) refuse(`"decision" is undefined for this input`);
  if (!isJsonObject(first.result)) refuse(`expected "decision" to be an object`);
  return first.result;
}

function firstResult(resultSet: unknown): JsonObject | undefined {
  if (!Array.isArray(resultSet)) refuse("expected a result set");
  if (resultSet.length === 0) return undefined;
  const [first] = resultSet;
  if (resultSet.length > 1 || !isJsonObject(first)) refuse("expected exactly one result");
  return first;
}

function textOf(document: JsonObject, name: string, isGood: (text: string) => boolean): string | undefined {
  const value = document[name];
  if (value === undefined) return undefined;
  if (typeof value !== "string" || !isGood(value)) refuse(`"${name}" has the wrong type, form or length`);
  return value;
}

/** One line of text that can stand in a log, an event and an answer. */
function isReason(text: string): boolean {
  return text.length > 0 && text.length <= MAX_REASON_LENGTH && text.isWellFormed() && !/\p{Cc}/u.test(text);
}

/** Never quotes what the policy said: it may repeat arguments of the call. */
function refuse(what: string): never {
  throw new GatewayError("policy_failed", `Cannot use the policy's answer: ${what}`);
}
