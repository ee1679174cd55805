/** Opening a link: `server/discover`, or `initialize` with its notification, and what both say about the upstream. */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { LinkAnswer, LinkRequest, UpstreamInfo } from "../upstream_link.ts";
import { LEGACY_VERSIONS } from "../versions.ts";
import type { Conversation } from "./conversation.ts";
import { GATEWAY_CLIENT_INFO, HANDSHAKE_TIMEOUT_MS, type LinkOptions } from "./link_options.ts";
import { MODERN_VERSION, SERVER_INFO_META } from "./modern_meta.ts";

const INITIALIZE = "initialize";
const DISCOVER = "server/discover";

/** The request that opens a modern link. */
export function discoverRequest(options: LinkOptions, signal: AbortSignal): LinkRequest {
  return ownRequest(DISCOVER, {}, options, signal);
}

/** The request that opens a legacy link. */
export function initializeRequest(options: LinkOptions, signal: AbortSignal): LinkRequest {
  const params = {
    protocolVersion: LEGACY_VERSIONS[0] as string,
    capabilities: options.clientCapabilities ?? {},
    clientInfo: options.clientInfo ?? GATEWAY_CLIENT_INFO,
  };
  return ownRequest(INITIALIZE, params, options, signal);
}

/** Does the legacy handshake; throws `UpstreamFailure`. */
export async function initialize(
  conversation: Conversation,
  options: LinkOptions,
  signal: AbortSignal,
): Promise<UpstreamInfo> {
  conversation.era = "legacy";
  const info = legacyInfo(await conversation.request(initializeRequest(options, signal)));
  await conversation.notify("notifications/initialized", {});
  return info;
}

/** What `initialize` says; throws `UpstreamFailure`. */
export function legacyInfo(answer: LinkAnswer): UpstreamInfo {
  if (answer.kind !== "result") throw new UpstreamFailure("upstream_failed", "handshake_refused");
  const { protocolVersion } = answer.result;
  if (typeof protocolVersion !== "string" || !LEGACY_VERSIONS.includes(protocolVersion)) {
    throw new UpstreamFailure("upstream_failed", "unsupported_version");
  }
  return { era: "legacy", protocolVersion, ...described(answer.result, answer.result.serverInfo) };
}

/** What `server/discover` says, `undefined` when the answer shows that the upstream is none of the modern era. */
export function modernInfo(answer: LinkAnswer): UpstreamInfo | undefined {
  if (answer.kind !== "result") return undefined;
  const { supportedVersions, _meta } = answer.result;
  if (!Array.isArray(supportedVersions) || !supportedVersions.includes(MODERN_VERSION)) return undefined;
  const serverInfo = isJsonObject(_meta) ? _meta[SERVER_INFO_META] : undefined;
  return { era: "modern", protocolVersion: MODERN_VERSION, ...described(answer.result, serverInfo) };
}

function described(
  result: JsonObject,
  serverInfo: unknown,
): Pick<UpstreamInfo, "serverInfo" | "capabilities" | "instructions"> {
  const { capabilities, instructions } = result;
  return {
    serverInfo: isJsonObject(serverInfo) ? serverInfo : {},
    capabilities: isJsonObject(capabilities) ? capabilities : {},
    ...(typeof instructions === "string" ? { instructions } : {}),
  };
}

/** A request of the gateway's own, which no client caused. */
export function ownRequest(
  method: string,
  params: JsonObject,
  options: LinkOptions,
  signal: AbortSignal,
): LinkRequest {
  return {
    ...{ method, params, signal, client: { capabilities: {}, traceHeaders: {} } },
    timeoutMs: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
  };
}
