/** What a server may ask a client, in either era: the same three methods with the same params and results. */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { ServerRequestError } from "../upstream_link.ts";

/** Most things that may be asked at once. */
export const MAX_INPUT_REQUESTS = 16;

/** One thing that is asked. */
export interface InputRequest {
  readonly method: string;
  readonly params: JsonObject;
}

/** The client capability that each method needs. */
const NEEDED: Readonly<Record<string, string>> = {
  "elicitation/create": "elicitation",
  "sampling/createMessage": "sampling",
  "roots/list": "roots",
};

/** Whether a client with these capabilities may be asked this. */
export function mayAsk({ method, params }: InputRequest, capabilities: JsonObject): boolean {
  const name = NEEDED[method];
  const capability = name === undefined ? undefined : capabilities[name];
  if (!isJsonObject(capability)) return false;
  if (method !== "elicitation/create") return true;
  // An empty capability means forms, as it did before there were URLs.
  const isUrl = params.mode === "url";
  return isUrl ? isJsonObject(capability.url) : capability.url === undefined || isJsonObject(capability.form);
}

/** The requests in an `input_required` result; throws `ServerRequestError` when one may not be asked. */
export function readInputRequests(
  inputRequests: JsonObject,
  capabilities: JsonObject,
): readonly (readonly [string, InputRequest])[] {
  const entries = Object.entries(inputRequests);
  if (entries.length > MAX_INPUT_REQUESTS) {
    throw new ServerRequestError(-32603, "The upstream asks too many things at once");
  }
  return entries.map(([key, value]) => {
    const { method, params = {} } = isJsonObject(value) ? value : {};
    const isReadable = typeof method === "string" && isJsonObject(params);
    const request = isReadable ? { method, params } : undefined;
    if (request === undefined || !mayAsk(request, capabilities)) {
      throw new ServerRequestError(-32603, "The upstream needs something that this client cannot give");
    }
    return [key, request] as const;
  });
}

/** A request of a legacy server as a modern input request: its form mode has a name there, its progress token no use. */
export function modernInputRequest(method: string, params: JsonObject): InputRequest {
  const { _meta, task: _task, ...rest } = params;
  const { progressToken: _token, ...meta } = isJsonObject(_meta) ? _meta : {};
  return {
    method,
    params: {
      ...rest,
      ...(Object.keys(meta).length === 0 ? {} : { _meta: meta }),
      ...(method === "elicitation/create" && rest.mode === undefined ? { mode: "form" } : {}),
    },
  };
}

/** A modern input request as a legacy client expects it: opening a URL has an id there. */
export function legacyServerRequest({ method, params }: InputRequest, newId: () => string): InputRequest {
  const needsId = method === "elicitation/create" && params.mode === "url" &&
    params.elicitationId === undefined;
  return { method, params: needsId ? { ...params, elicitationId: newId() } : params };
}
