/** One JSON-RPC message of an upstream, read strictly; the text of a result is kept as it came. */
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { parseStrictJson, StrictJsonError } from "../../core/strict_json.ts";
import { memberSpans } from "../../core/strict_json_spans.ts";
import type { RpcError } from "../upstream_link.ts";
import { MAX_MESSAGE_DEPTH } from "./link_options.ts";

/** What one message of an upstream is. */
export type WireMessage =
  | {
    readonly kind: "result";
    readonly id: JsonValue;
    readonly result: JsonObject;
    /** The JSON text of the result. */
    readonly text: string;
  }
  | { readonly kind: "error"; readonly id: JsonValue; readonly error: RpcError }
  | { readonly kind: "notification"; readonly method: string; readonly params: JsonObject }
  | { readonly kind: "request"; readonly id: JsonValue; readonly method: string; readonly params: JsonObject }
  | {
    readonly kind: "unusable";
    readonly why: string;
    /** The id of a response that is none: who waits for it waits in vain. */
    readonly id?: JsonValue;
  };

const unusable = (why: string, id?: JsonValue): WireMessage => ({
  kind: "unusable",
  why,
  ...(id === undefined ? {} : { id }),
});

/** Reads one message; never throws. */
export function readWireMessage(text: string): WireMessage {
  let value: JsonValue;
  try {
    value = parseStrictJson(text, { maxDepth: MAX_MESSAGE_DEPTH, keepsNumberText: true });
  } catch (error) {
    if (error instanceof StrictJsonError) return unusable(error.code, responseIdIn(text));
    throw error;
  }
  if (!isJsonObject(value) || value.jsonrpc !== "2.0") return unusable("not_json_rpc");
  return value.method === undefined ? readResponse(value, text) : readCall(value);
}

function readCall(value: JsonObject): WireMessage {
  const { id, method, params = {} } = value;
  if (typeof method !== "string" || !isJsonObject(params)) return unusable("not_json_rpc");
  if (id === undefined) return { kind: "notification", method, params };
  return isId(id) ? { kind: "request", id, method, params } : unusable("not_json_rpc");
}

function readResponse(value: JsonObject, text: string): WireMessage {
  const { id, result, error } = value;
  if (!isId(id)) return unusable("not_json_rpc");
  if ((result === undefined) === (error === undefined)) return unusable("not_json_rpc", id);
  if (isJsonObject(result)) {
    const span = memberSpans(text).get("result");
    return span === undefined
      ? unusable("not_json_rpc", id)
      : { kind: "result", id, result, text: text.slice(span.start, span.end) };
  }
  const read = readRpcError(error);
  return read === undefined ? unusable("not_json_rpc", id) : { kind: "error", id, error: read };
}

/** Of a text that is read leniently: good enough to give up, and for nothing else. */
function responseIdIn(text: string): JsonValue | undefined {
  try {
    const value: JsonValue = JSON.parse(text);
    return isJsonObject(value) && value.method === undefined && isId(value.id) ? value.id : undefined;
  } catch {
    return undefined;
  }
}

/** The error object of a response, `undefined` when it is none. */
export function readRpcError(value: JsonValue | undefined): RpcError | undefined {
  if (!isJsonObject(value) || !Number.isSafeInteger(value.code)) return undefined;
  const { code, message, data } = value;
  return {
    code: Number(code),
    message: typeof message === "string" ? message : "",
    ...(data === undefined ? {} : { data }),
  };
}

function isId(id: JsonValue | undefined): id is string | number {
  return typeof id === "string" || Number.isSafeInteger(id);
}
