/** W3C Trace Context Level 1, https://www.w3.org/TR/trace-context/: which distributed trace a call belongs to, as its sender says. */

/** Headers of W3C Trace Context and Baggage; on a transport without headers, members of `_meta`. */
export const TRACE_NAMES: readonly string[] = ["traceparent", "tracestate", "baggage"];

/** What `traceparent` says of whose work the call is part; whether it is sampled is nobody's business here. */
export interface TraceContext {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** 16 lower-case hex digits: the sender's span, under which its own trace shows the call. */
  readonly parentId: string;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;
const MAX_LENGTH = 512;

/** Reads a `traceparent`; `undefined` for anything that the recommendation calls invalid: it is as if none had come. */
export function parseTraceparent(text: unknown): TraceContext | undefined {
  if (typeof text !== "string" || text.length > MAX_LENGTH) return undefined;
  const [, version, traceId = "", parentId = "", more] = TRACEPARENT.exec(text) ?? [];
  // A later version may add parts at the end; version 00 has none, and ff is none.
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return Object.freeze({ traceId, parentId });
}
