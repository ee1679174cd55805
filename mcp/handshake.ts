/** `initialize` in both directions: what the client may offer, what the upstream may promise. */
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { memberSpans, withSpan } from "../core/strict_json_spans.ts";
import type { Answer } from "./answer.ts";
import type { RequestMessage } from "./message.ts";
import type { ClientRequest } from "./server_requests.ts";
import { LEGACY_VERSIONS } from "./versions.ts";

/**
 * The body of `initialize` for the upstream, written anew from what was checked. Client capabilities that would let
 * the upstream ask the client what it must not are left out, so that a correct upstream never asks.
 */
export function initializeBody(
  message: RequestMessage,
  allowed: readonly ClientRequest[],
): Uint8Array<ArrayBuffer> {
  const params = {
    ...message.params,
    capabilities: passedCapabilities(message.params?.capabilities, allowed),
  };
  return new TextEncoder().encode(
    JSON.stringify({ jsonrpc: "2.0", id: message.id, method: "initialize", params }),
  );
}

/** What of a client's capabilities goes on to an upstream that may ask clients only this. */
export function passedCapabilities(
  given: JsonValue | undefined,
  allowed: readonly ClientRequest[],
): JsonObject {
  if (!isJsonObject(given)) return {};
  const passed = ["experimental", ...allowed].filter((name) => given[name] !== undefined);
  return Object.fromEntries(passed.map((name) => [name, given[name]]));
}

/**
 * What the gateway declares when it reads an upstream's definitions itself: everything that the upstream may ask clients,
 * because some servers show tools only to those who can answer. It answers none of it.
 */
export function catalogueCapabilities(allowed: readonly ClientRequest[]): JsonObject {
  return Object.fromEntries(
    allowed.map((name) => [name, name === "elicitation" ? { form: {}, url: {} } : {}]),
  );
}

/** The protocol version that the upstream chose, `undefined` when it is none that can be spoken here. */
export function negotiatedVersion(answer: Answer): string | undefined {
  const version = answer.result?.value.protocolVersion;
  return typeof version === "string" && LEGACY_VERSIONS.includes(version) ? version : undefined;
}

/** The upstream's capabilities that the gateway governs. */
export const GOVERNED_CAPABILITIES = ["tools", "prompts", "resources", "completions", "logging"] as const;

/** The answer's text with the upstream's capabilities reduced to those that are governed. */
export function withGovernedOnly(answer: Answer): string {
  if (answer.result === undefined) return answer.text;
  const capabilities = memberSpans(answer.text, answer.result.span).get("capabilities");
  if (capabilities === undefined || answer.text[capabilities.start] !== "{") return answer.text;
  const members = memberSpans(answer.text, capabilities);
  const kept = GOVERNED_CAPABILITIES.flatMap((name) => {
    const span = members.get(name);
    return span === undefined ? [] : [`"${name}":${answer.text.slice(span.start, span.end)}`];
  });
  return withSpan(answer.text, capabilities, `{${kept.join(",")}}`);
}
