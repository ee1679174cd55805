/** One JSON-RPC answer of an upstream as text and as value, and how it is found in what the upstream sends. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { EndingKind } from "../core/call.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { StrictJsonError } from "../core/strict_json.ts";
import { type JsonSpan, memberSpans, withMember } from "../core/strict_json_spans.ts";
import { EventSplitter, EventTooLong, type StreamEvent } from "./event_stream.ts";
import type { ForwardEnding } from "./port.ts";
import type { MessageId } from "./refusals.ts";
import { type Exchange, UpstreamFailure } from "./upstream_connection.ts";

/** A response message: exactly one of result and error. */
export interface Answer {
  /** The message as the upstream wrote it. */
  readonly text: string;
  readonly result?: { readonly value: JsonObject; readonly span: JsonSpan };
  readonly error?: { readonly value: JsonObject; readonly span: JsonSpan };
}

/** Thrown by who edits an answer that the client must not get: what it gets instead, and why the answer was not usable. */
export class WithheldAnswer extends Error {
  override readonly name = "WithheldAnswer";
  constructor(readonly code: string, readonly text: string) {
    super(`The upstream's answer was withheld: ${code}`);
  }
}

/** What one message of an upstream is. */
export type Incoming =
  | { readonly kind: "answer"; readonly id: unknown; readonly answer: Answer }
  | { readonly kind: "notification"; readonly method: string }
  | { readonly kind: "server_request"; readonly method: string; readonly id: JsonValue | undefined }
  | { readonly kind: "unusable" };

/** Reads one message of an upstream. */
export function readIncoming(text: string): Incoming {
  try {
    const value: unknown = JSON.parse(text);
    if (!isJsonObject(value) || value.jsonrpc !== "2.0") return { kind: "unusable" };
    const spans = memberSpans(text);
    if (typeof value.method === "string") {
      return value.id === undefined
        ? { kind: "notification", method: value.method }
        : { kind: "server_request", method: value.method, id: value.id };
    }
    const result = partOf(value.result, spans.get("result"));
    const error = partOf(value.error, spans.get("error"));
    if ((result === undefined) === (error === undefined)) return { kind: "unusable" };
    // Something that is neither an object nor absent could make it the other kind of answer for another reader.
    if ([value.result, value.error].some((part) => part != null && !isJsonObject(part))) {
      return { kind: "unusable" };
    }
    return {
      kind: "answer",
      id: value.id,
      answer: { text, ...(result && { result }), ...(error && { error }) },
    };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof StrictJsonError) return { kind: "unusable" };
    throw error;
  }
}

/** An answer whose text was changed, for the next change. */
export function reread(answer: Answer, text: string): Answer {
  if (text === answer.text) return answer;
  const incoming = readIncoming(text);
  return incoming.kind === "answer" ? incoming.answer : { text };
}

function partOf(value: unknown, span: JsonSpan | undefined): Answer["result"] {
  return isJsonObject(value) && span !== undefined ? { value, span } : undefined;
}

/** Refuses what cannot be the start of an MCP answer: redirects, errors, foreign content types. */
export function refuseForeignAnswer(exchange: Exchange): void {
  const { status } = exchange;
  if (status >= 300 && status < 400) throw exchange.fail("upstream_failed", "redirect");
  if (status >= 400) throw exchange.fail("upstream_failed", `http_${status}`);
  const { contentType } = exchange;
  if (status !== 200 || (contentType !== "application/json" && contentType !== "text/event-stream")) {
    throw exchange.fail("upstream_failed", "not_mcp");
  }
}

/** A JSON answer to the request `id`; throws `UpstreamFailure`. */
export async function readJsonAnswer(exchange: Exchange, id: MessageId): Promise<Answer> {
  const incoming = readIncoming(await exchange.readText());
  if (incoming.kind !== "answer" || incoming.id !== id) throw exchange.fail("upstream_failed", "not_mcp");
  return incoming.answer;
}

/** The events of an exchange; throws `UpstreamFailure`. */
export async function* readEvents(exchange: Exchange, maxEventLength: number): AsyncGenerator<StreamEvent> {
  const splitter = new EventSplitter(maxEventLength);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let chunk = await exchange.read(); chunk !== undefined; chunk = await exchange.read()) {
    yield* splitEvents(exchange, splitter, exchange.decode(decoder, chunk));
  }
}

function splitEvents(exchange: Exchange, splitter: EventSplitter, text: string): StreamEvent[] {
  try {
    return splitter.push(text);
  } catch (error) {
    throw error instanceof EventTooLong ? exchange.fail("upstream_failed", "response_too_large") : error;
  }
}

/** The answer to the request `id`, whether it comes as JSON or in a stream; throws `UpstreamFailure`. */
export async function collectAnswer(
  exchange: Exchange,
  id: MessageId,
  maxEventLength: number,
): Promise<Answer> {
  refuseForeignAnswer(exchange);
  if (exchange.contentType === "application/json") return await readJsonAnswer(exchange, id);
  for await (const event of readEvents(exchange, maxEventLength)) {
    if (event.data === undefined) continue;
    const incoming = readIncoming(event.data);
    if (incoming.kind !== "answer" || incoming.id !== id) continue;
    void exchange.drain();
    return incoming.answer;
  }
  throw new UpstreamFailure("unknown", "stream_closed", exchange.status);
}

/** How a call that was answered like this ended. */
export function endingOf(answer: Answer, exchange: Exchange): ForwardEnding {
  const part = answer.result ?? answer.error;
  const result = part === undefined ? "" : answer.text.slice(part.span.start, part.span.end);
  const kind: EndingKind = answer.result === undefined || answer.result.value.isError === true
    ? "tool_error"
    : "ok";
  return {
    kind,
    upstreamStatus: exchange.status,
    resultBytes: Buffer.byteLength(result, "utf8"),
    resultDigest: createHash("sha256").update(result, "utf8").digest("hex"),
    upstreamMs: exchange.elapsedMs(),
  };
}

/** The member of a result's `_meta` that names the decision. */
export const DECISION_META = "intentgate/decision";

/** The answer's text with the decision in its result's `_meta`; an error stays as it is. */
export function withDecision(answer: Answer, decisionId: string): string {
  if (answer.result === undefined) return answer.text;
  const decision = JSON.stringify({ decision_id: decisionId });
  const { value, span } = answer.result;
  if (isJsonObject(value._meta)) {
    const meta = memberSpans(answer.text, span).get("_meta");
    if (meta !== undefined) return withMember(answer.text, meta, DECISION_META, decision);
  }
  return withMember(answer.text, span, "_meta", `{${JSON.stringify(DECISION_META)}:${decision}}`);
}
