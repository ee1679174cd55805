/** What the gateway changes in results of the modern era; everything else stays byte for byte. */
import { memberSpans, withMember } from "../../core/strict_json_spans.ts";
import { type Answer, readIncoming } from "../answer.ts";

/** Says that a result is whole where the upstream forgot to. */
export function withResultType(answer: Answer): string {
  if (answer.result === undefined || answer.result.value.resultType !== undefined) return answer.text;
  return withMember(answer.text, answer.result.span, "resultType", '"complete"');
}

/** A result that may be kept by nobody but the caller, and no longer than its token counts. */
export function withPrivateCache(answer: Answer, tokenLeftMs: number): string {
  if (answer.result === undefined) return answer.text;
  const { ttlMs, cacheScope } = answer.result.value;
  const given = typeof ttlMs === "number" && Number.isSafeInteger(ttlMs) && ttlMs > 0 ? ttlMs : 0;
  const ttl = Math.max(0, Math.min(given, Math.floor(tokenLeftMs)));
  let { text } = answer;
  if (ttlMs !== ttl) text = withResultMember(text, "ttlMs", String(ttl));
  return cacheScope === "private" ? text : withResultMember(text, "cacheScope", '"private"');
}

/** The message's text with one member of its result set. */
export function withResultMember(text: string, name: string, valueText: string): string {
  const span = memberSpans(text).get("result");
  return span === undefined ? text : withMember(text, span, name, valueText);
}

/** An answer whose text was changed, for the next change. */
export function rereadAnswer(answer: Answer, text: string): Answer {
  if (text === answer.text) return answer;
  const incoming = readIncoming(text);
  return incoming.kind === "answer" ? incoming.answer : { text };
}
