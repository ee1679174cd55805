/** From a checked message to the frozen `ToolCall` that the checks see. */
import { createHash } from "node:crypto";
import type { ToolCall } from "../core/call.ts";
import { canonicalJson } from "../core/canonical_json.ts";
import { GatewayError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { MessageError, type RequestMessage, type ToolCallParams } from "./message.ts";
import { RPC } from "./refusals.ts";

/** What is known about a call besides its message. */
export interface CallOrigin {
  readonly id: string;
  readonly upstream: string;
  readonly receivedAtMs: number;
  readonly deadlineMs: number;
  readonly sourceIp: string;
}

const NO_ARGUMENTS: JsonObject = Object.freeze({});
const NO_ARGUMENTS_DIGEST = digestOf("{}");

/** The frozen call of a `tools/call`; throws `MessageError` for arguments that no audit event could hold. */
export function toolCallOf(origin: CallOrigin, message: RequestMessage, params: ToolCallParams): ToolCall {
  return Object.freeze({
    ...origin,
    method: message.method,
    name: params.name,
    arguments: deepFreeze(params.arguments),
    argumentsDigest: argumentsDigest(params, message),
    ...(params.prompt === undefined ? {} : { prompt: deepFreeze(params.prompt) }),
    ...(params.memory === undefined ? {} : { memory: deepFreeze(params.memory) }),
    ...(params.inputResponses === undefined ? {} : { inputResponses: deepFreeze(params.inputResponses) }),
  });
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
  try {
    // Digests of prompt and memory enter events too.
    if (params.prompt !== undefined || params.memory !== undefined) {
      canonicalJson({ prompt: params.prompt, memory: params.memory });
    }
    return digestOf(canonicalJson(params.arguments));
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new MessageError(
      RPC.invalidParams,
      "The arguments, prompt or memory contain U+0000",
      message.id,
    );
  }
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
