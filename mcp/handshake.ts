/** `initialize` in both directions: what the client may offer, what the upstream may promise. */
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { memberSpans, withSpan } from "../core/strict_json_spans.ts";
import type { Answer } from "./answer.ts";
import type { RequestMessage } from "./message.ts";
import { LEGACY_VERSIONS } from "./versions.ts";

/**
 * The body of `initialize` for the upstream, written anew from what was checked. Client capabilities that would let
 * the upstream ask the client something are left out, so that a correct upstream never asks.
 */
export function initializeBody(message: RequestMessage): Uint8Array<ArrayBuffer> {
  const given = message.params?.capabilities;
  const { experimental } = isJsonObject(given) ? given : {};
  const capabilities: JsonObject = experimental === undefined ? {} : { experimental };
  const params = { ...message.params, capabilities };
  return new TextEncoder().encode(
    JSON.stringify({ jsonrpc: "2.0", id: message.id, method: "initialize", params }),
  );
}

/** The protocol version that the upstream chose, `undefined` when it is none that can be spoken here. */
export function negotiatedVersion(answer: Answer): string | undefined {
  const version = answer.result?.value.protocolVersion;
  return typeof version === "string" && LEGACY_VERSIONS.includes(version) ? version : undefined;
}

/** The answer's text with the upstream's capabilities reduced to `tools`: nothing else is passed on. */
export function withToolsOnly(answer: Answer): string {
  if (answer.result === undefined) return answer.text;
  const capabilities = memberSpans(answer.text, answer.result.span).get("capabilities");
  if (capabilities === undefined || answer.text[capabilities.start] !== "{") return answer.text;
  const tools = memberSpans(answer.text, capabilities).get("tools");
  const kept = tools === undefined ? "{}" : `{"tools":${answer.text.slice(tools.start, tools.end)}}`;
  return withSpan(answer.text, capabilities, kept);
}
