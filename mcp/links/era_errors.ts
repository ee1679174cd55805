/** Errors of one era as a client of the other expects them. */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import type { RpcError } from "../upstream_link.ts";
import { MAX_INPUT_REQUESTS } from "./input_requests.ts";

const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;
const INTERNAL = -32603;
/** Legacy only. */
const RESOURCE_NOT_FOUND = -32002;
const URL_ELICITATION_REQUIRED = -32042;
/** Header mismatch, missing client capability, unsupported version: modern only. */
export const MODERN_ONLY: readonly number[] = [-32020, -32021, -32022];

/** A modern upstream's error for a legacy client. */
export function legacyError(error: RpcError, method: string, params: JsonObject): RpcError {
  if (MODERN_ONLY.includes(error.code)) return { ...error, code: INTERNAL };
  const names = isJsonObject(error.data) ? error.data.uri : undefined;
  // A modern server says with the URI in `data` that it is the resource, and not the request, that is wrong.
  const isNotFound = method === "resources/read" && error.code === INVALID_PARAMS &&
    names !== undefined && names === params.uri;
  return isNotFound ? { ...error, code: RESOURCE_NOT_FOUND } : error;
}

/** A legacy upstream's error for a modern client, and the HTTP status that goes with it. */
export function modernError(
  error: RpcError,
  method: string,
  params: JsonObject,
): { readonly error: RpcError; readonly status: number } {
  if (error.code === METHOD_NOT_FOUND) return { error, status: 404 };
  if (error.code !== RESOURCE_NOT_FOUND) return { error, status: 200 };
  const { uri } = params;
  const data = error.data ?? (method === "resources/read" && typeof uri === "string" ? { uri } : undefined);
  const translated = { ...error, code: INVALID_PARAMS, ...(data === undefined ? {} : { data }) };
  return { error: translated, status: 200 };
}

/**
 * What a legacy upstream wants the user to open before the call can be made again, as input requests of the modern
 * era; `undefined` for every other error.
 */
export function urlElicitations(error: RpcError): JsonObject | undefined {
  if (error.code !== URL_ELICITATION_REQUIRED || !isJsonObject(error.data)) return undefined;
  const { elicitations } = error.data;
  if (!Array.isArray(elicitations) || elicitations.length === 0) return undefined;
  const usable = elicitations.filter(isJsonObject).filter((one) => typeof one.url === "string")
    .slice(0, MAX_INPUT_REQUESTS);
  if (usable.length === 0) return undefined;
  return Object.fromEntries(
    usable.map(({ elicitationId: _id, ...one }, index) => [
      `url_${index + 1}`,
      // The modern era has no ids of elicitations.
      { method: "elicitation/create", params: { ...one, mode: "url" } },
    ]),
  );
}
