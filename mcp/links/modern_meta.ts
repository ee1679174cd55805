/** The members of `_meta` that belong to the modern era, and how a request gets them. */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { TRACE_NAMES } from "../../core/trace_context.ts";
import type { LinkClient } from "../upstream_link.ts";
import { VERSION_META } from "../versions.ts";
import { GATEWAY_CLIENT_INFO } from "./link_options.ts";

/** The modern version that links speak. */
export const MODERN_VERSION = "2026-07-28";
export const CAPABILITIES_META = "io.modelcontextprotocol/clientCapabilities";
export const CLIENT_INFO_META = "io.modelcontextprotocol/clientInfo";
export const LOG_LEVEL_META = "io.modelcontextprotocol/logLevel";
export const SERVER_INFO_META = "io.modelcontextprotocol/serverInfo";
export const SUBSCRIPTION_META = "io.modelcontextprotocol/subscriptionId";

/** Members of a request's `_meta` that a link sets itself: what a client put there never goes on. */
const OWN_MEMBERS: ReadonlySet<string> = new Set([
  VERSION_META,
  CAPABILITIES_META,
  CLIENT_INFO_META,
  LOG_LEVEL_META,
  SUBSCRIPTION_META,
  "progressToken",
]);

/** Params with the `_meta` that the transport and the era need; `_meta` is left out when it would be empty. */
export function linkParams(
  params: JsonObject,
  client: LinkClient,
  how: { readonly isModern: boolean; readonly carriesTrace: boolean; readonly progressToken?: number },
): JsonObject {
  const given = isJsonObject(params._meta) ? params._meta : {};
  const kept = Object.entries(given).filter(([name]) => !OWN_MEMBERS.has(name));
  const meta: JsonObject = {
    ...Object.fromEntries(kept),
    ...(how.carriesTrace ? traceMembers(client) : {}),
    ...(how.isModern ? modernMembers(client) : {}),
    ...(how.progressToken === undefined ? {} : { progressToken: how.progressToken }),
  };
  const { _meta, ...rest } = params;
  return Object.keys(meta).length === 0 ? rest : { ...rest, _meta: meta };
}

function modernMembers(client: LinkClient): JsonObject {
  return {
    [VERSION_META]: MODERN_VERSION,
    [CAPABILITIES_META]: client.capabilities,
    [CLIENT_INFO_META]: client.clientInfo ?? GATEWAY_CLIENT_INFO,
    ...(client.logLevel === undefined ? {} : { [LOG_LEVEL_META]: client.logLevel }),
  };
}

function traceMembers({ traceHeaders }: LinkClient): JsonObject {
  return Object.fromEntries(
    TRACE_NAMES.flatMap((name) => traceHeaders[name] === undefined ? [] : [[name, traceHeaders[name]]]),
  );
}
