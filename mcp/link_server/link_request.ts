/** From a client's message to the request that goes over a link. */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { TRACE_NAMES } from "../../core/trace_context.ts";
import type { RequestMessage } from "../message.ts";
import type { LinkClient, LinkRequest } from "../upstream_link.ts";
import type { AnswerStream } from "./answer_stream.ts";
import type { LinkedUpstream } from "./link_key.ts";

const LOG_MESSAGE = "notifications/message";

/** The trace context among the headers of a request. */
export function traceHeadersOf(headers: Headers): Readonly<Record<string, string>> {
  return Object.fromEntries(TRACE_NAMES.flatMap((name) => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value]];
  }));
}

/** The request with progress and notifications on the stream of its answer. */
export function linkRequestOf(
  message: RequestMessage,
  stream: AnswerStream,
  of: { readonly upstream: LinkedUpstream; readonly client: LinkClient; readonly signal: AbortSignal },
): LinkRequest {
  const { upstream, client, signal } = of;
  const params = message.params ?? {};
  const token = isJsonObject(params._meta) ? params._meta.progressToken : undefined;
  return {
    ...{ method: message.method, params, client, signal, timeoutMs: upstream.timeout_ms },
    ...(upstream.idle_timeout_ms === undefined ? {} : { idleTimeoutMs: upstream.idle_timeout_ms }),
    ...(typeof token !== "string" && typeof token !== "number" ? {} : {
      onProgress: (progress: JsonObject) =>
        stream.send({ method: "notifications/progress", params: { ...progress, progressToken: token } }),
    }),
    onNotification: (method, notice) => {
      // Who has asked for no log messages gets none.
      if (method !== LOG_MESSAGE || client.logLevel !== undefined) stream.send({ method, params: notice });
    },
  };
}
