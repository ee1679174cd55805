/** `subscriptions/listen` for all upstreams together. */
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { readShownUri, shownUri } from "../aggregate/aggregate_names.ts";
import type { LinkedRequest } from "../linked_request.ts";
import type { Message } from "../message.ts";
import { TOOLS_CHANGED } from "../links/notification_hub.ts";
import type { LinkPool } from "../links/link_pool.ts";
import { CAPABILITIES_META } from "../links/modern_meta.ts";
import { RPC } from "../refusals.ts";
import { errorText, jsonAnswer } from "./answer_stream.ts";
import { type LinkedUpstream, linkKeyOf } from "./link_key.ts";
import { ListenStream, notificationFilterOf } from "./listen_stream.ts";

/** What listens. */
export interface AggregateListening {
  readonly pool: LinkPool;
  readonly upstreams: readonly LinkedUpstream[];
  /** Hears of changed tools in place of the client, whom the front tells. */
  readonly onToolsChanged?: ((upstream: string) => void) | undefined;
}

/** Answers with one stream; an upstream that cannot be listened to is left out, as long as nobody watches its resources. */
export async function listenToAll(
  message: Message,
  request: LinkedRequest,
  { pool, upstreams, onToolsChanged }: AggregateListening,
): Promise<Response> {
  const { caller } = request;
  if (message.kind !== "request" || message.method !== "subscriptions/listen" || caller === undefined) {
    const error = { code: RPC.methodNotFound, message: "The method is not supported" };
    return jsonAnswer(errorText(message.kind === "request" ? message.id : null, error, 404));
  }
  const filter = notificationFilterOf(message.params?.notifications);
  const meta = isJsonObject(message.params?._meta) ? message.params._meta : {};
  const capabilities: JsonValue | undefined = meta[CAPABILITIES_META];
  const user = { ...caller, capabilities: isJsonObject(capabilities) ? capabilities : {} };
  const stream = new ListenStream(message.id, request.signal);
  const adding = upstreams.map(async (upstream) => {
    const uris = (filter.resourceSubscriptions ?? []).map(readShownUri)
      .flatMap((of) => of?.upstream === upstream.name ? [of.name] : []);
    const { resourceSubscriptions: _uris, ...lists } = filter;
    const own = uris.length === 0 ? lists : { ...lists, resourceSubscriptions: uris };
    if (Object.keys(own).length === 0) return;
    const shown = (method: string, params: JsonObject): JsonObject | undefined => {
      if (method === TOOLS_CHANGED) return void onToolsChanged?.(upstream.name);
      return typeof params.uri === "string"
        ? { ...params, uri: shownUri(upstream.name, params.uri) }
        : params;
    };
    try {
      const isNeeded = uris.length > 0;
      const lease = await pool.lease(linkKeyOf(upstream, user), isNeeded ? () => stream.close() : undefined);
      await stream.add(lease, own, shown);
    } catch (error) {
      if (uris.length > 0) throw error;
    }
  });
  const failed = (await Promise.allSettled(adding)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") {
    stream.close();
    throw failed.reason;
  }
  return stream.acknowledge(filter);
}
