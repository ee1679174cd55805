/**
 * `subscriptions/listen`: one stream of notifications. Each resource that is listened to is a decision of its own; the
 * upstream is asked only for those that were allowed.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { type Arrival, type FrontParts, isStillAdmitted, notificationListener } from "../arrival.ts";
import { SUBSCRIPTION_META } from "../links/modern_meta.ts";
import type { UpstreamName } from "../aggregate/aggregate_names.ts";
import { hidesUpdates } from "../lists.ts";
import { MessageError } from "../message.ts";
import type { Admitted, CallRoute, ForwardEnding } from "../port.ts";
import { RPC } from "../refusals.ts";
import { relayErrorStatus, relayStream } from "../relay.ts";
import { MAX_STREAM_MS } from "../session_streams.ts";
import { toolCallOf } from "../tool_call.ts";
import {
  type Exchange,
  exchangeWith,
  type ResolvedUpstream,
  UpstreamFailure,
} from "../upstream_connection.ts";
import { bodyForUpstream } from "./body.ts";
import { headersForUpstream, type ModernRequest } from "./request_headers.ts";

/** Most resources of one stream. */
export const MAX_LISTENED_RESOURCES = 100;
const MAX_URI_LENGTH = 2048;
const CHANGES = ["toolsListChanged", "promptsListChanged", "resourcesListChanged"] as const;

/** Who listens, and where. */
export interface Listening {
  readonly admitted: Admitted;
  readonly upstream: ResolvedUpstream;
  /** At the aggregate endpoint: whose resource a URI means. */
  readonly resourceOf?: (uri: string) => UpstreamName | undefined;
}

/** Answers `subscriptions/listen`; throws `MessageError` and `UpstreamFailure`. */
export async function answerListen(
  parts: FrontParts,
  arrival: Arrival,
  request: ModernRequest,
  { admitted, upstream, resourceOf }: Listening,
): Promise<Response> {
  const wanted = wantedOf(request);
  const opened = Promise.withResolvers<ForwardEnding>();
  const leave = arrival.visit.openStream();
  try {
    const resources = wanted.uris.length === 0
      ? {}
      : await allowedResources(parts, arrival, request, { uris: wanted.uris, opened, resourceOf });
    const notifications = { ...wanted.changes, ...resources };
    const exchange = await openStream(parts, arrival, request, { admitted, upstream, notifications });
    if (exchange instanceof Response) {
      opened.resolve({ kind: "upstream_failed", code: "not_opened", upstreamMs: 0 });
      leave();
      return exchange;
    }
    opened.resolve({ kind: "ok", upstreamStatus: exchange.status, upstreamMs: exchange.elapsedMs() });
    exchange.extendDeadline(Math.min(MAX_STREAM_MS, Math.max(0, admitted.expiresAt * 1000 - parts.nowMs())));
    return relayStream(exchange, {
      maxEventLength: upstream.max_response_bytes,
      ...{ openStreams: parts.openStreams, room: arrival.visit, onEnd: leave },
      edit: (answer) => answer.text,
      onNotification: notificationListener(parts, arrival),
      hides: hidesUpdates(admitted, upstream.name, resourceOf),
      control: {
        upstream: upstream.name,
        rechecksBefore: arrival.rechecksBefore,
        lists: (tools) => admitted.lists(tools),
        mayStay: () => isStillAdmitted(parts, arrival, "subscriptions/listen"),
      },
      toolsChanged: wanted.changes.toolsListChanged === true ? changeOf(request, "tools") : undefined,
      namesChanged: (["prompts", "resources"] as const)
        .filter((kind) => wanted.changes[`${kind}ListChanged`] === true)
        .map((kind) => changeOf(request, kind)),
    });
  } catch (error) {
    const { kind, code } = error instanceof UpstreamFailure
      ? error
      : new UpstreamFailure("unknown", "internal");
    opened.resolve({ kind, code, upstreamMs: 0 });
    leave();
    throw error;
  }
}

/** What the listener is told. */
function changeOf({ message }: ModernRequest, kind: "tools" | "prompts" | "resources"): string {
  const params = { _meta: { [SUBSCRIPTION_META]: message.id } };
  return JSON.stringify({ jsonrpc: "2.0", method: `notifications/${kind}/list_changed`, params });
}

interface Wanted {
  readonly changes: JsonObject;
  readonly uris: readonly string[];
}

function wantedOf({ message }: ModernRequest): Wanted {
  const refuse = (text: string) => new MessageError(RPC.invalidParams, text, message.id);
  const given = message.params?.notifications;
  if (!isJsonObject(given)) throw refuse('"params.notifications" is not an object');
  const changes = Object.fromEntries(
    CHANGES.filter((name) => given[name] === true).map((name) => [name, true]),
  );
  const uris: readonly JsonValue[] = Array.isArray(given.resourceSubscriptions)
    ? given.resourceSubscriptions
    : [];
  if (uris.length > MAX_LISTENED_RESOURCES) {
    throw refuse(`Expected at most ${MAX_LISTENED_RESOURCES} resources, got ${uris.length}`);
  }
  const isUri = (uri: JsonValue): uri is string =>
    typeof uri === "string" && uri !== "" && uri.length <= MAX_URI_LENGTH && !uri.includes("\0");
  if (!uris.every(isUri)) {
    throw refuse('"params.notifications.resourceSubscriptions" is not a list of URIs');
  }
  return { changes, uris: [...new Set(uris)] };
}

/** Decides on each resource; those that are refused are left out, as if they did not exist. */
async function allowedResources(
  parts: FrontParts,
  arrival: Arrival,
  { message }: ModernRequest,
  { uris, opened, resourceOf }: {
    readonly uris: readonly string[];
    readonly resourceOf: Listening["resourceOf"];
    readonly opened: PromiseWithResolvers<ForwardEnding>;
  },
): Promise<JsonObject> {
  const allowed: string[] = [];
  // Decisions like all others, so they need a place like all others.
  await arrival.visit.decide();
  for (const uri of uris) {
    const { origin } = arrival;
    const of = resourceOf === undefined ? { upstream: origin.upstream, name: uri } : resourceOf(uri);
    if (of === undefined || of.name === "") continue;
    const params = { name: of.name, arguments: {}, prompt: undefined, memory: undefined };
    const call = toolCallOf({ ...parts.renew(origin), upstream: of.upstream }, message, params);
    const route: CallRoute = {
      ...{ accepts: () => true, reserve: () => undefined, definition: () => undefined, isGone: () => false },
      forward: () => Promise.resolve({ response: new Response(null), ending: opened.promise }),
    };
    const answer = await parts.gateway.handle(call, arrival.credential, route);
    if (answer.kind === "forwarded") allowed.push(uri);
  }
  arrival.visit.decided();
  return allowed.length === 0 ? {} : { resourceSubscriptions: allowed };
}

async function openStream(
  parts: FrontParts,
  arrival: Arrival,
  request: ModernRequest,
  { admitted, upstream, notifications }: Listening & { readonly notifications: JsonObject },
): Promise<Exchange | Response> {
  const { message } = request;
  const exchange = await exchangeWith(upstream, {
    method: "POST",
    body: bodyForUpstream(request, upstream.client_requests, { notifications }),
    agentHeaders: arrival.request.headers,
    protocolVersion: request.version,
    mcpHeaders: headersForUpstream(message, arrival.request.headers),
    signal: arrival.request.signal,
    isLongLived: true,
    caller: admitted,
  }, parts);
  if (exchange.status === 200 && exchange.contentType === "text/event-stream") return exchange;
  const passed = await relayErrorStatus(exchange, { id: message.id, room: arrival.visit });
  if (passed !== undefined) return passed.response;
  throw exchange.fail("upstream_failed", exchange.status < 300 ? "not_mcp" : `http_${exchange.status}`);
}
