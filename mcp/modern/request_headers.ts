/**
 * The checks that every request of the modern era must pass, whatever the upstream: it says in `_meta` who asks and in which
 * version, and its headers say the same as its body.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import type { RequestMessage } from "../message.ts";
import { RPC, rpcError } from "../refusals.ts";
import { MODERN_VERSIONS, VERSION_META } from "../versions.ts";
import { CAPABILITIES_META } from "../links/modern_meta.ts";
import { headerValue, parameterHeaders } from "../links/parameter_headers.ts";
import { decodeHeaderValue } from "./header_value.ts";

/** A request that says the same everywhere. */
export interface ModernRequest {
  readonly message: RequestMessage;
  readonly version: string;
  /** What the client says it can do. */
  readonly capabilities: JsonObject;
}

/** The member of `params` that `Mcp-Name` repeats. */
const NAMED_BY: ReadonlyMap<string, "name" | "uri"> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
]);

/** The request, or the answer to one that contradicts itself. Which versions an upstream speaks is not asked here. */
export function checkModernRequest(message: RequestMessage, headers: Headers): ModernRequest | Response {
  const { id, params = {} } = message;
  const meta = isJsonObject(params._meta) ? params._meta : {};
  const header = headers.get("mcp-protocol-version");
  if (header === null) return mismatch("MCP-Protocol-Version is missing", id);
  const version = meta[VERSION_META];
  if (typeof version !== "string") return missing(VERSION_META, id);
  const capabilities = meta[CAPABILITIES_META];
  if (!isJsonObject(capabilities)) return missing(CAPABILITIES_META, id);
  if (header !== version) return mismatch("MCP-Protocol-Version is not the version of the body", id);
  const request = { message, version, capabilities };
  // What headers another version has is not known here; the answer will be that it is not spoken.
  if (!MODERN_VERSIONS.includes(version)) return request;
  if (headers.get("mcp-method") !== message.method) {
    return mismatch("Mcp-Method is not the method of the body", id);
  }
  const named = NAMED_BY.get(message.method);
  if (named === undefined) return request;
  const name = headers.get("mcp-name");
  if (name === null || decodeHeaderValue(name) !== params[named]) {
    return mismatch(`Mcp-Name is not "params.${named}" of the body`, id);
  }
  return request;
}

/** What the `Mcp-Param-*` headers contradict in the arguments of a call: the first such header's name. */
export function findParameterMismatch(
  inputSchema: JsonObject,
  args: JsonObject,
  headers: Headers,
): string | undefined {
  for (const { path, name } of parameterHeaders(inputSchema)) {
    const value = path.reduce<JsonValue | undefined>(memberOf, args);
    const header = headers.get(`mcp-param-${name}`);
    const said = header === null ? undefined : decodeHeaderValue(header);
    if (
      value === undefined || value === null ? header !== null : said === undefined || !isSame(said, value)
    ) {
      return `Mcp-Param-${name}`;
    }
  }
  return undefined;
}

/**
 * The headers of a checked request for the upstream, written anew out of its body: nobody may read "7.0" in a header otherwise
 * than 7 in the body. Of the `Mcp-Param-*` headers only those that the tool declares go on: what nobody has compared with
 * the body must not reach a router.
 */
export function headersForUpstream(
  message: RequestMessage,
  headers: Headers,
  inputSchema?: JsonObject,
): Readonly<Record<string, string>> {
  const named = NAMED_BY.get(message.method);
  const name = named === undefined ? undefined : message.params?.[named];
  const declared = inputSchema === undefined ? [] : parameterHeaders(inputSchema);
  const passed = declared.flatMap(({ path, name }): [string, string][] => {
    if (!headers.has(`mcp-param-${name}`)) return [];
    const value = path.reduce<JsonValue | undefined>(memberOf, message.params?.arguments);
    return value === undefined || value === null ? [] : [[`mcp-param-${name}`, headerValue(String(value))]];
  });
  return {
    "mcp-method": message.method,
    ...(typeof name === "string" ? { "mcp-name": headerValue(name) } : {}),
    ...Object.fromEntries(passed),
  };
}

function memberOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** Numbers by value, written as JSON writes them: "0x10", "1 " and "" are none. */
function isSame(said: string, value: JsonValue): boolean {
  if (typeof value !== "number") return said === String(value) && typeof value !== "object";
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(said) && Number(said) === value;
}

function mismatch(what: string, id: RequestMessage["id"]): Response {
  return rpcError(400, RPC.headerMismatch, `Header mismatch: ${what}`, id);
}

function missing(name: string, id: RequestMessage["id"]): Response {
  return rpcError(400, RPC.invalidParams, `Expected "params._meta" with "${name}"`, id);
}
