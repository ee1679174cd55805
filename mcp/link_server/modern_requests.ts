/** What a modern client sends to an upstream that is reached over a link: every request stands alone. */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import type { LinkedRequest } from "../linked_request.ts";
import type { RequestMessage } from "../message.ts";
import { discoverResult } from "../links/era_results.ts";
import type { LinkPool } from "../links/link_pool.ts";
import { CAPABILITIES_META, CLIENT_INFO_META, LOG_LEVEL_META } from "../links/modern_meta.ts";
import type { BridgedAnswer, CallOwner, ModernClientRequest, ParkedCalls } from "../links/parked_calls.ts";
import { RPC } from "../refusals.ts";
import type { LinkClient } from "../upstream_link.ts";
import { AnswerStream, type AnswerText, errorText, jsonAnswer, resultText } from "./answer_stream.ts";
import { homeKey, type LinkedUpstream, linkKeyOf, offeredCapabilities } from "./link_key.ts";
import { linkRequestOf, traceHeadersOf } from "./link_request.ts";
import { ListenStream, notificationFilterOf } from "./listen_stream.ts";
import { isLogLevel, type LogLevels } from "./log_levels.ts";
import { type CallState, readCallState, writeCallState } from "./call_state.ts";

/** One request and what serves it. */
export interface ModernLinkRequest {
  readonly upstream: LinkedUpstream;
  readonly message: RequestMessage;
  readonly request: LinkedRequest;
  readonly pool: LinkPool;
  readonly parked: ParkedCalls;
  readonly logLevels: LogLevels;
  readonly replicaId: string;
}

/** Answers a request; throws `UpstreamFailure`. */
export async function answerModernRequest(of: ModernLinkRequest): Promise<Response> {
  switch (of.message.method) {
    case "server/discover":
      return await discover(of);
    case "subscriptions/listen":
      return await listen(of);
    default:
      return await passOn(of);
  }
}

async function discover(of: ModernLinkRequest): Promise<Response> {
  const info = await of.pool.use(keyOf(of), (link) => Promise.resolve(link.info));
  return jsonAnswer(resultText(of.message.id, JSON.stringify(discoverResult(info))));
}

async function listen(of: ModernLinkRequest): Promise<Response> {
  const filter = notificationFilterOf(of.message.params?.notifications);
  const stream = new ListenStream(of.message.id, of.request.signal);
  try {
    const lease = await of.pool.lease(keyOf(of), () => stream.close());
    await stream.add(lease, filter, (_method, params) => params);
  } catch (error) {
    stream.close();
    throw error;
  }
  return stream.acknowledge(filter);
}

async function passOn(of: ModernLinkRequest): Promise<Response> {
  const stop = new AbortController();
  const stream = new AnswerStream({ onGone: () => stop.abort(), maxLength: of.upstream.max_response_bytes });
  const signal = AbortSignal.any([stop.signal, of.request.signal]);
  return await stream.respond(of.message.id, ask(of, stream, signal));
}

async function ask(of: ModernLinkRequest, stream: AnswerStream, signal: AbortSignal): Promise<AnswerText> {
  const { message, upstream, parked } = of;
  const state = readCallState(message.params?.requestState);
  if (state === undefined) return stateRefused(message);
  const request: ModernClientRequest = {
    ...linkRequestOf(withState(message, state), stream, { upstream, client: clientOf(of), signal }),
    owner: ownerOf(of),
  };
  if (state.kind !== "parked") return answerText(of, await begin(of, request));
  const answer = state.replica === of.replicaId ? await parked.resume(state.parkedId, request) : undefined;
  return answer === undefined ? stateRefused(message) : answerText(of, answer);
}

async function begin(of: ModernLinkRequest, request: ModernClientRequest): Promise<BridgedAnswer> {
  const key = keyOf(of);
  const lease = await of.pool.lease(key);
  const { logLevel } = request.client;
  if (logLevel !== undefined && key.blockIds !== undefined) {
    await of.logLevels.apply(lease.link, logLevel, request.signal);
  }
  return await of.parked.request(lease, request);
}

function stateRefused({ id }: RequestMessage): AnswerText {
  return errorText(id, { code: RPC.invalidParams, message: "The requestState is not valid any more" });
}

/** A state that a modern upstream gave goes back to it as it was. */
function withState(message: RequestMessage, state: CallState): RequestMessage {
  if (state.kind !== "upstream") return message;
  return { ...message, params: { ...message.params, requestState: state.state } };
}

function answerText({ message: { id }, replicaId }: ModernLinkRequest, answer: BridgedAnswer): AnswerText {
  switch (answer.kind) {
    case "result":
      return resultText(id, answer.text);
    case "error":
      return errorText(id, answer.error, answer.status);
    case "input_required": {
      const { requestState } = answer.wanted;
      if (typeof requestState !== "string") return resultText(id, answer.text);
      const state = writeCallState({ kind: "upstream", state: requestState });
      return resultText(id, JSON.stringify({ ...answer.result, requestState: state }));
    }
    case "parked": {
      const { parkedId, inputRequests } = answer;
      const requestState = parkedId === undefined
        ? {}
        : { requestState: writeCallState({ kind: "parked", replica: replicaId, parkedId }) };
      return resultText(
        id,
        JSON.stringify({ resultType: "input_required", inputRequests, ...requestState }),
      );
    }
  }
}

function keyOf({ upstream, message, request }: ModernLinkRequest) {
  const { caller } = request;
  if (caller === undefined) return homeKey(upstream);
  const { tenant, blockIds } = caller;
  return linkKeyOf(upstream, { tenant, blockIds, capabilities: capabilitiesOf(message) });
}

/** The same call by the same principal; the front has bound the state to its arguments. */
function ownerOf({ upstream, message, request: { caller } }: ModernLinkRequest): CallOwner {
  const { tenant = "", blockIds = [] } = caller ?? {};
  return { tenant, blockIds, upstream: upstream.name, method: message.method };
}

function clientOf({ upstream, message, request }: ModernLinkRequest): LinkClient {
  const meta = metaOf(message);
  const clientInfo = meta[CLIENT_INFO_META];
  const logLevel = meta[LOG_LEVEL_META];
  return {
    capabilities: offeredCapabilities(upstream, capabilitiesOf(message)),
    traceHeaders: traceHeadersOf(request.headers),
    ...(isJsonObject(clientInfo) ? { clientInfo } : {}),
    ...(isLogLevel(logLevel) ? { logLevel } : {}),
  };
}

function capabilitiesOf(message: RequestMessage): JsonObject {
  const capabilities = metaOf(message)[CAPABILITIES_META];
  return isJsonObject(capabilities) ? capabilities : {};
}

function metaOf({ params }: RequestMessage): JsonObject {
  return isJsonObject(params?._meta) ? params._meta : {};
}
