/** The body of a modern request for the upstream: the very bytes that came, but for what the gateway stands between. */
import { type JsonSpan, memberSpans } from "../../core/strict_json_spans.ts";
import { passedCapabilities } from "../handshake.ts";
import { CAPABILITIES_META } from "../links/modern_meta.ts";
import type { ClientRequest } from "../server_requests.ts";
import type { ModernRequest } from "./request_headers.ts";

/** Members of `params` that get another value. */
export type ParamEdits = Readonly<Record<string, unknown>>;

/**
 * The bytes to send. Client capabilities that would let the upstream ask what it must not are left out of them, so that a
 * correct upstream never asks.
 */
export function bodyForUpstream(
  { message, capabilities }: ModernRequest,
  allowed: readonly ClientRequest[],
  edits: ParamEdits = {},
): Uint8Array<ArrayBuffer> {
  const passed = passedCapabilities(capabilities, allowed);
  const isWhole = Object.keys(passed).length === Object.keys(capabilities).length;
  if (isWhole && Object.keys(edits).length === 0) return message.bytes;
  const text = new TextDecoder().decode(message.bytes);
  const params = memberSpans(text).get("params");
  if (params === undefined) throw new TypeError("A modern request without params was checked");
  const members = memberSpans(text, params);
  const changes: Change[] = [];
  for (const [name, value] of Object.entries(edits)) {
    const span = members.get(name);
    if (span !== undefined) changes.push({ span, text: JSON.stringify(value) });
  }
  const meta = members.get("_meta");
  const declared = meta === undefined ? undefined : memberSpans(text, meta).get(CAPABILITIES_META);
  if (declared !== undefined && !isWhole) changes.push({ span: declared, text: JSON.stringify(passed) });
  return new TextEncoder().encode(withChanges(text, changes));
}

interface Change {
  readonly span: JsonSpan;
  readonly text: string;
}

/** From the end to the start, so that the places before stay where they are. */
function withChanges(text: string, changes: readonly Change[]): string {
  let changed = text;
  for (const { span, text: value } of changes.toSorted((a, b) => b.span.start - a.span.start)) {
    changed = changed.slice(0, span.start) + value + changed.slice(span.end);
  }
  return changed;
}
