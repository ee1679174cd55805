/**
 * Results of one era as a client of the other expects them. Only what the eras name differently is touched: every other
 * member keeps its text, unknown ones and numbers beyond 2^53 included.
 */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { memberSpans } from "../../core/strict_json_spans.ts";
import type { UpstreamInfo } from "../upstream_link.ts";
import { negotiatedLegacyVersion } from "../versions.ts";
import { MODERN_VERSION, SERVER_INFO_META } from "./modern_meta.ts";

/** Members of a modern result that the legacy era does not know. */
const MODERN_MEMBERS: readonly string[] = ["resultType", "ttlMs", "cacheScope"];

/** Methods whose modern results say how long they may be kept. */
const CACHEABLE: ReadonlySet<string> = new Set([
  "server/discover",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "resources/read",
]);

/** Capabilities of servers that have a meaning in both eras and that are bridged. */
const SERVER_CAPABILITIES: readonly string[] = ["tools", "prompts", "resources", "completions", "logging"];
/** Capabilities of clients that have a meaning in both eras and that are bridged, with their members that are known. */
const CLIENT_CAPABILITIES: Readonly<Record<string, readonly string[]>> = {
  elicitation: ["form", "url"],
  sampling: ["context", "tools"],
  // Changes of roots cannot be announced in the other era.
  roots: [],
};

/** The text of a modern result for a legacy client. */
export function legacyResultText(text: string): string {
  return edited(text, (members) => {
    for (const name of MODERN_MEMBERS) members.delete(name);
  });
}

/** The text of a legacy result for a modern client: complete, not to be kept, and saying whose it is. */
export function modernResultText(text: string, method: string, info: UpstreamInfo): string {
  return edited(text, (members) => {
    members.set("resultType", '"complete"');
    if (CACHEABLE.has(method)) {
      members.set("ttlMs", "0");
      members.set("cacheScope", '"private"');
    }
    if (Object.keys(info.serverInfo).length === 0) return;
    const meta = members.get("_meta");
    const serverInfo = JSON.stringify(info.serverInfo);
    members.set(
      "_meta",
      edited(meta?.startsWith("{") ? meta : "{}", (inner) => inner.set(SERVER_INFO_META, serverInfo)),
    );
  });
}

/** The text of an object with its members changed; the texts of the others stay as they are. */
function edited(text: string, edit: (members: Map<string, string>) => void): string {
  const members = new Map<string, string>();
  for (const [name, { start, end }] of memberSpans(text)) members.set(name, text.slice(start, end));
  edit(members);
  return `{${[...members].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`;
}

/** The result of `initialize` for a legacy client, made of what a modern upstream says about itself. */
export function initializeResult(
  info: UpstreamInfo,
  upstream: string,
  requestedVersion: unknown,
): JsonObject {
  return {
    protocolVersion: negotiatedLegacyVersion(requestedVersion),
    capabilities: bridgedServerCapabilities(info.capabilities),
    serverInfo: Object.keys(info.serverInfo).length > 0 ? info.serverInfo : { name: upstream, version: "0" },
    ...(info.instructions === undefined ? {} : { instructions: info.instructions }),
  };
}

/** The result of `server/discover` for a modern client, made of what a legacy upstream says about itself. */
export function discoverResult(info: UpstreamInfo): JsonObject {
  return {
    resultType: "complete",
    supportedVersions: [MODERN_VERSION],
    capabilities: bridgedServerCapabilities(info.capabilities),
    ...(info.instructions === undefined ? {} : { instructions: info.instructions }),
    ...{ ttlMs: 0, cacheScope: "private" },
    ...(Object.keys(info.serverInfo).length > 0 ? { _meta: { [SERVER_INFO_META]: info.serverInfo } } : {}),
  };
}

/** What of a server's capabilities reaches a client of the other era: extensions and tasks are not bridged. */
export function bridgedServerCapabilities(capabilities: JsonObject): JsonObject {
  return only(capabilities, SERVER_CAPABILITIES);
}

/**
 * What of a client's capabilities goes on over a link. Only what is known, in one form: each other form would be another
 * link, and with programs another process.
 */
export function bridgedClientCapabilities(capabilities: JsonObject): JsonObject {
  const kept = Object.entries(CLIENT_CAPABILITIES).flatMap(([name, members]) => {
    const given = capabilities[name];
    if (!isJsonObject(given)) return [];
    const known = members.filter((member) => isJsonObject(given[member]));
    return [[name, Object.fromEntries(known.map((member) => [member, {}]))]];
  });
  return Object.fromEntries(kept);
}

function only(members: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    names.flatMap((name) => isJsonObject(members[name]) ? [[name, members[name]]] : []),
  );
}
