/** What stands beside a decision's event instead of inside: values of the call, and reasons that others than the gateway wrote. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { canonicalJson } from "../core/canonical_json.ts";
import type { Decision, ToolCall } from "../core/call.ts";
import { MAX_VALUE_BYTES, type PrivateValues, type RecordValues } from "../core/record_values.ts";
import { saltedDigest } from "./digest.ts";

/** Checks whose reasons the gateway itself words: they name arguments, and never say what stands in one. */
const OWN_WORDS: ReadonlySet<string> = new Set(["gateway", "capability", "budget"]);

/** Whether a decision's reason may have been made from what it was about. */
export function isForeignReason({ check, reason }: Pick<Decision, "check" | "reason">): boolean {
  return reason !== undefined && check !== undefined && !OWN_WORDS.has(check);
}

/** Digest of a private text as it stands in the event: HMAC under the event's salt of the hex SHA-256 of its UTF-8. */
export function valueDigest(salt: Uint8Array, text: string): string {
  return saltedDigest(salt, createHash("sha256").update(text, "utf8").digest("hex"));
}

/** The texts to keep beside a decision; `undefined` for none. One that is too long is not kept. */
export function keptValues(
  call: ToolCall,
  decision: Decision,
  keeps: RecordValues,
): PrivateValues | undefined {
  const isForeign = isForeignReason(decision);
  if (keeps === "none" && !isForeign) return undefined;
  const prompt = keeps === "arguments_and_prompt" && call.prompt !== undefined
    ? bounded(canonicalJson({ prompt: call.prompt }))
    : undefined;
  const args = keeps === "none" ? undefined : bounded(canonicalJson(call.arguments));
  const reason = isForeign ? bounded(decision.reason ?? "") : undefined;
  return {
    ...(args === undefined ? {} : { arguments: args }),
    ...(prompt === undefined ? {} : { prompt }),
    ...(reason === undefined ? {} : { reason }),
  };
}

/** A text that the database can hold; a reason must not go unrecorded because of its characters. */
function bounded(text: string): string | undefined {
  const whole = text.toWellFormed().replaceAll("\0", "\ufffd");
  return Buffer.byteLength(whole, "utf8") <= MAX_VALUE_BYTES ? whole : undefined;
}
