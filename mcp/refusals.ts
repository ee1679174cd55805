/** The one place where a refusal of `/mcp` becomes bytes. */
import type { JsonObject } from "../core/json.ts";
import type { Refusal } from "./port.ts";

export type MessageId = string | number;

/** Codes of our own lie outside -32768 to -32000, which belong to JSON-RPC and MCP. */
export const REFUSAL_CODES: Readonly<Record<string, number>> = Object.assign(Object.create(null), {
  capability: -31010,
  intent: -31011,
  policy: -31012,
  budget: -31013,
  "memory-provenance": -31014,
  memory_provenance: -31014,
  gateway: -31016,
  result: -31017,
  identity: -31018,
  approval: -31019,
  overload: -31020,
});
const EXTERNAL_CHECK = -31015;
const APPROVAL_PENDING = -31019;

const OVERLOAD_REASON = "Too many requests are under way";

/** Codes that JSON-RPC and MCP define. */
export const RPC = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  headerMismatch: -32020,
  unsupportedVersion: -32022,
  /** What the official SDKs answer for a session they do not know, and for a missing one. */
  sessionNotFound: -32001,
  badRequest: -32000,
} as const;

/** The member of a refused tool result's `_meta` that says who refused. */
export const REFUSAL_META = "intentgate/refusal";

/** The JSON-RPC code of a refusal. */
export function refusalCode(refusal: Refusal): number {
  if (refusal.code === "approval_pending") return APPROVAL_PENDING;
  return REFUSAL_CODES[refusal.check] ?? EXTERNAL_CHECK;
}

/** What an agent learns about a refusal. */
export function refusalData(refusal: Refusal): JsonObject {
  return {
    check: refusal.check,
    code: refusal.code,
    reason: refusal.reason,
    decision_id: refusal.decisionId,
    ...(refusal.retryAfterSeconds === undefined ? {} : { retry_after: refusal.retryAfterSeconds }),
  };
}

/** How a caller is told of a refusal. */
export interface RefusalStyle {
  readonly hasCredential: boolean;
  readonly style: "error" | "tool_result";
  /** Whether the caller speaks the modern era, whose results say that they are whole. */
  readonly isModern?: boolean;
  /** URL of the protected resource metadata (RFC 9728), for a 401. */
  readonly metadataUrl?: string;
}

/** The answer to a refused request: 401, a JSON-RPC error, or a tool result with `isError`. */
export function refusalResponse(
  refusal: Refusal,
  id: MessageId | null,
  how: RefusalStyle,
): Response {
  if (refusal.unauthenticated) return unauthenticated(refusal, id, how);
  if (how.style === "tool_result" && id !== null) {
    return json({ jsonrpc: "2.0", id, result: toolResult(refusal, how) });
  }
  return json(refusalMessage(refusal, id));
}

/** The JSON-RPC error message of a refusal. */
export function refusalMessage(refusal: Refusal, id: MessageId | null): JsonObject {
  return errorMessage(refusalCode(refusal), refusal.reason, id, refusalData(refusal));
}

/** A JSON-RPC error response with an HTTP status. */
export function rpcError(
  status: number,
  code: number,
  message: string,
  id: MessageId | null = null,
  data?: JsonObject,
): Response {
  return json(errorMessage(code, message, id, data), status);
}

/** Seconds after which somebody who was refused for overload may ask again. */
export const OVERLOAD_RETRY_SECONDS = 1;

const OVERLOADED = JSON.stringify(errorMessage(REFUSAL_CODES.overload ?? 0, OVERLOAD_REASON, null, {
  ...{ check: "overload", code: "overloaded", reason: OVERLOAD_REASON },
  retry_after: OVERLOAD_RETRY_SECONDS,
}));

/** The 503 of a request that nobody has looked at: no id, no decision. */
export function overloadedResponse(): Response {
  const response = jsonText(OVERLOADED, 503);
  response.headers.set("retry-after", String(OVERLOAD_RETRY_SECONDS));
  return response;
}

/** A JSON-RPC error for a session that is not the caller's, expired, or unreadable. */
export function sessionNotFound(id: MessageId | null): Response {
  return rpcError(404, RPC.sessionNotFound, "Session not found", id);
}

/** A 405 with the methods that remain. */
export function methodNotAllowed(allow: string): Response {
  const response = rpcError(405, RPC.badRequest, "Method not allowed");
  response.headers.set("allow", allow);
  return response;
}

function errorMessage(code: number, message: string, id: MessageId | null, data?: JsonObject): JsonObject {
  return { jsonrpc: "2.0", id, error: { code, message, ...(data === undefined ? {} : { data }) } };
}

function toolResult(refusal: Refusal, { isModern }: RefusalStyle): JsonObject {
  return {
    ...(isModern === true ? { resultType: "complete" } : {}),
    content: [{ type: "text", text: `Refused by ${refusal.check} (${refusal.code}): ${refusal.reason}` }],
    isError: true,
    _meta: { [REFUSAL_META]: refusalData(refusal) },
  };
}

function unauthenticated(refusal: Refusal, id: MessageId | null, how: RefusalStyle): Response {
  const response = json(refusalMessage(refusal, id), 401);
  // RFC 6750 §3.1: no error code when the request carried no credential at all.
  const error = how.hasCredential ? ', error="invalid_token"' : "";
  const metadata = how.metadataUrl === undefined ? "" : `, resource_metadata="${how.metadataUrl}"`;
  response.headers.set("www-authenticate", `Bearer realm="intentgate"${error}${metadata}`);
  return response;
}

function json(message: JsonObject, status = 200): Response {
  return jsonText(JSON.stringify(message), status);
}

/** Headers of a message. */
export const JSON_HEADERS = { "content-type": "application/json", "cache-control": "no-store" };

/** A message that is text already, as the body of an answer. */
export function jsonText(text: string, status = 200): Response {
  return new Response(text, { status, headers: JSON_HEADERS });
}
