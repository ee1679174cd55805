/**
 * Headers of the modern era that repeat what stands in the body, so that routers need not read it: `Mcp-Name`, and
 * `Mcp-Param-*` for the arguments that a tool's schema marks with `x-mcp-header`. Source: MCP 2026-07-28, Streamable HTTP.
 */
import { Buffer } from "node:buffer";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";

/** An argument that is repeated in a header. */
export interface ParameterHeader {
  /** Names from the arguments' root down to the value. */
  readonly path: readonly string[];
  /** What follows `Mcp-Param-`. */
  readonly name: string;
}

/** Deepest property, and most headers of one tool. */
const MAX_DEPTH = 16;
const MAX_HEADERS = 64;
/** Longest value of one header, in bytes of its encoded form. */
const MAX_VALUE = 8_192;
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;
const PREFIX = "=?base64?";
const SUFFIX = "?=";

/**
 * The declarations of a tool's input schema: strings, integers and booleans reached through `properties` alone. What is
 * declared otherwise makes the tool's definition invalid; it is passed over here, and the upstream says no to the call.
 */
export function parameterHeaders(inputSchema: JsonObject): readonly ParameterHeader[] {
  const found: ParameterHeader[] = [];
  collect(inputSchema, [], found);
  return found;
}

function collect(schema: JsonObject, path: readonly string[], found: ParameterHeader[]): void {
  if (path.length > MAX_DEPTH || found.length >= MAX_HEADERS) return;
  const name = schema["x-mcp-header"];
  const isPrimitive = ["string", "integer", "boolean"].includes(String(schema.type));
  if (typeof name === "string" && TOKEN.test(name) && isPrimitive && path.length > 0) {
    found.push({ path, name });
  }
  if (!isJsonObject(schema.properties)) return;
  for (const [key, child] of Object.entries(schema.properties)) {
    if (isJsonObject(child)) collect(child, [...path, key], found);
  }
}

/** The `mcp-param-…` headers of one call, lower-case names; absent and null arguments have none. */
export function parameterHeaderValues(
  declared: readonly ParameterHeader[],
  args: JsonObject,
): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { path, name } of declared) {
    const text = primitiveText(valueAt(args, path));
    if (text === undefined) continue;
    const value = headerValue(text);
    if (value.length <= MAX_VALUE) headers[`mcp-param-${name.toLowerCase()}`] = value;
  }
  return headers;
}

function valueAt(args: JsonObject, path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = args;
  for (const name of path) {
    value = isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  }
  return value;
}

function primitiveText(value: JsonValue | undefined): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "boolean" || Number.isSafeInteger(value)) return String(value);
  return undefined;
}

/** A value as a header carries it: plain ASCII as it is, everything else, and what looks encoded, in base64. */
export function headerValue(text: string): string {
  const isPlain = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(text);
  const looksEncoded = text.startsWith(PREFIX) && text.endsWith(SUFFIX);
  if (isPlain && !looksEncoded) return text;
  return `${PREFIX}${Buffer.from(text, "utf8").toString("base64")}${SUFFIX}`;
}
