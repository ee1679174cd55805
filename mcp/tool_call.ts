/** From a checked message to the frozen `ToolCall` that the checks see. */
import { createHash } from "node:crypto";
import type { ToolCall } from "../core/call.ts";
import { canonicalJson } from "../core/canonical_json.ts";
import { GatewayError } from "../core/errors.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { parseTraceparent, type TraceContext } from "../core/trace_context.ts";
import { MessageError, type RequestMessage, type ToolCallParams } from "./message.ts";
import { RPC } from "./refusals.ts";

/** What is known about a call besides its message. */
export interface CallOrigin {
  readonly id: string;
  readonly upstream: string;
  readonly receivedAtMs: number;
  readonly deadlineMs: number;
  readonly sourceIp: string;
  /** Of the header `traceparent`. */
  readonly trace?: TraceContext;
}

const NO_ARGUMENTS: JsonObject = Object.freeze({});
const NO_ARGUMENTS_DIGEST = digestOf("{}");

/** The frozen call of a governed request; throws `MessageError` for arguments that no audit event could hold. */
export function toolCallOf(origin: CallOrigin, message: RequestMessage, params: ToolCallParams): ToolCall {
  return Object.freeze({
    ...origin,
    method: message.method,
    name: params.name,
    arguments: deepFreeze(params.arguments),
    argumentsDigest: argumentsDigest(params, message),
    ...(params.prompt === undefined ? {} : { prompt: deepFreeze(params.prompt) }),
    ...(params.memory === undefined ? {} : { memory: deepFreeze(params.memory) }),
    ...answersOf(params, message),
    ...traceOf(message),
  });
}

/** What the message says of its trace stands before what its HTTP request says: a hop may have its own (MCP, SEP-414). */
function traceOf({ params }: RequestMessage): Pick<ToolCall, "trace"> {
  const meta = isJsonObject(params?._meta) ? params._meta : {};
  const trace = parseTraceparent(meta.traceparent);
  return trace === undefined ? {} : { trace };
}

/** The frozen call of a request that names no tool. */
export function unnamedCall(origin: CallOrigin, method: string): ToolCall {
  return Object.freeze({
    ...origin,
    method,
    name: "",
    arguments: NO_ARGUMENTS,
    argumentsDigest: NO_ARGUMENTS_DIGEST,
  });
}

/** Freezes a JSON value and everything in it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const member of Object.values(value)) deepFreeze(member);
  return value;
}

function argumentsDigest(params: ToolCallParams, message: RequestMessage): string {
  return recordable(message, "The arguments, prompt or memory contain U+0000", () => {
    // Digests of prompt and memory enter events too.
    if (params.prompt !== undefined || params.memory !== undefined) {
      canonicalJson({ prompt: params.prompt, memory: params.memory });
    }
    return digestOf(canonicalJson(params.arguments));
  });
}

function answersOf(
  { inputResponses }: ToolCallParams,
  message: RequestMessage,
): Pick<ToolCall, "inputResponses" | "inputResponsesDigest"> {
  if (inputResponses === undefined) return {};
  return {
    inputResponses: deepFreeze(inputResponses),
    inputResponsesDigest: recordable(
      message,
      '"params.inputResponses" contains U+0000',
      () => digestOf(canonicalJson(inputResponses)),
    ),
  };
}

function recordable(message: RequestMessage, objection: string, digest: () => string): string {
  try {
    return digest();
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new MessageError(RPC.invalidParams, objection, message.id);
  }
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
