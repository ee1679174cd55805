/** What a legacy client sends in a session whose upstream is reached over a link. */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import type { Caller, LinkedRequest } from "../linked_request.ts";
import type { RequestMessage } from "../message.ts";
import { mayAsk } from "../links/input_requests.ts";
import { requestForLegacyClient } from "../links/legacy_client_bridge.ts";
import { RPC } from "../refusals.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import { mayPrime } from "../versions.ts";
import { type LinkAnswer, ServerRequestError, type UpstreamLink } from "../upstream_link.ts";
import { AnswerStream, type AnswerText, errorText, jsonAnswer, resultText } from "./answer_stream.ts";
import { type LinkedUpstream, offeredCapabilities } from "./link_key.ts";
import { linkRequestOf, traceHeadersOf } from "./link_request.ts";
import type { LinkSession, LinkSessionOptions } from "./link_session.ts";
import { isLogLevel, type LogLevels } from "./log_levels.ts";

/** What a legacy client gets that has asked for no level: the choice is the server's. */
const DEFAULT_LOG_LEVEL = "info";

/** A client must not have to wait longer for something that it can come back for, milliseconds. */
const PRIME_AFTER_MS = 5_000;

/** One request in its session. */
export interface LegacyRequest {
  readonly session: LinkSession;
  readonly upstream: LinkedUpstream;
  readonly message: RequestMessage;
  readonly request: LinkedRequest;
  readonly logLevels: LogLevels;
}

/** Answers a request; throws `UpstreamFailure`. */
export async function answerLegacyRequest(of: LegacyRequest): Promise<Response> {
  const { session, upstream, message } = of;
  switch (message.method) {
    case "ping":
    case "logging/setLevel":
      return answerOwnRequest(session, message);
    case "resources/subscribe":
    case "resources/unsubscribe":
      return jsonAnswer(await watch(session, upstream, message));
    default:
      return await passOn(of);
  }
}

/** Answers what no upstream is asked. */
export function answerOwnRequest(session: LinkSession, message: RequestMessage): Response {
  if (message.method === "ping") return jsonAnswer(resultText(message.id, "{}"));
  if (message.method === "logging/setLevel") return jsonAnswer(setLevel(session, message));
  const error = { code: RPC.methodNotFound, message: "The method is not supported" };
  return jsonAnswer(errorText(message.id, error));
}

function setLevel(session: LinkSession, message: RequestMessage): AnswerText {
  const level = message.params?.level;
  if (!isLogLevel(level)) {
    return errorText(message.id, { code: RPC.invalidParams, message: '"params.level" is not a log level' });
  }
  session.logLevel = level;
  return resultText(message.id, "{}");
}

async function watch(
  session: LinkSession,
  upstream: LinkedUpstream,
  message: RequestMessage,
): Promise<AnswerText> {
  const uri = message.params?.uri;
  if (typeof uri !== "string") {
    return errorText(message.id, { code: RPC.invalidParams, message: '"params.uri" is not a text' });
  }
  try {
    const { changes } = session;
    if (message.method === "resources/subscribe") await changes.watch(upstream.name, uri);
    else await changes.unwatch(upstream.name, uri);
    return resultText(message.id, "{}");
  } catch (error) {
    const isRefused = error instanceof UpstreamFailure && error.code === "subscription_refused";
    if (!isRefused && !(error instanceof RangeError)) throw error;
    const text = isRefused ? "The upstream refuses the subscription" : (error as RangeError).message;
    return errorText(message.id, { code: RPC.invalidParams, message: text });
  }
}

async function passOn(of: LegacyRequest): Promise<Response> {
  const { session, upstream, message, request } = of;
  let stop: AbortController;
  try {
    stop = session.begin(upstream.name, message.id);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return jsonAnswer(errorText(message.id, { code: RPC.invalidRequest, message: error.message }));
  }
  const stream = new AnswerStream({
    ...{ onGone: () => stop.abort(), maxLength: upstream.max_response_bytes },
    keep: () => session.keepAnswer(upstream.name),
    primeAfterMs: mayPrime(session.options.protocolVersion) ? PRIME_AFTER_MS : undefined,
  });
  const signal = AbortSignal.any([stop.signal, request.signal]);
  const answering = ask(of, stream, signal).finally(() => session.end(upstream.name, message.id));
  return await stream.respond(message.id, answering);
}

async function ask(of: LegacyRequest, stream: AnswerStream, signal: AbortSignal): Promise<AnswerText> {
  const { session, upstream, message } = of;
  const lease = await session.lease(upstream.name);
  try {
    return answerText(message, await send(of, lease.link, stream, signal));
  } catch (error) {
    // The next round of the call was refused.
    if (error instanceof ServerRequestError) return errorText(message.id, error.rpcError);
    // On a link that others use, too, nothing was lost with the upstream's session: a 404 proves that nothing was run.
    const mayTryAgain = error instanceof UpstreamFailure && error.code === "session_lost" &&
      error.kind === "upstream_failed" && !session.isExclusive(upstream);
    if (!mayTryAgain) throw error;
  } finally {
    lease.release();
  }
  const again = await session.lease(upstream.name);
  try {
    return answerText(message, await send(of, again.link, stream, signal));
  } finally {
    again.release();
  }
}

async function send(
  { session, upstream, message, request, logLevels }: LegacyRequest,
  link: UpstreamLink,
  stream: AnswerStream,
  signal: AbortSignal,
): Promise<LinkAnswer> {
  const { capabilities, clientInfo } = session.options;
  const client = {
    capabilities: offeredCapabilities(upstream, capabilities),
    traceHeaders: traceHeadersOf(request.headers),
    ...(clientInfo === undefined ? {} : { clientInfo }),
    logLevel: session.logLevel ?? DEFAULT_LOG_LEVEL,
  };
  if (session.logLevel !== undefined && session.isExclusive(upstream)) {
    await logLevels.apply(link, session.logLevel, signal);
  }
  return await requestForLegacyClient(link, {
    ...linkRequestOf(message, stream, { upstream, client, signal }),
    // A session's client takes questions whenever they come, but not those of a token that was made from its own.
    listensAs: JSON.stringify([session.options.id, request.caller?.blockIds]),
    onServerRequest: (method, params, taken) =>
      mayAsk({ method, params }, client.capabilities)
        ? session.ask(stream, method, params, taken)
        // The front would not let it pass, and the upstream would wait in vain.
        : Promise.reject(new ServerRequestError(RPC.methodNotFound, "Method not found")),
    ...decidedAgain(request.caller),
  });
}

/** Each round of a call is a decision of its own. */
function decidedAgain(caller: Caller | undefined) {
  const decideAgain = caller?.decideAgain;
  if (decideAgain === undefined) return {};
  return {
    beforeRound: async (_round: number, answers: JsonObject) => {
      const refused = await decideAgain(answers);
      if (refused !== undefined) throw new ServerRequestError(refused.code, refused.message, refused.data);
    },
  };
}

function answerText({ id }: RequestMessage, answer: LinkAnswer): AnswerText {
  if (answer.kind === "error") return errorText(id, answer.error);
  // `requestForLegacyClient` answers every question or ends the call.
  if (answer.kind === "input_required") throw new UpstreamFailure("upstream_failed", "not_mcp");
  return resultText(id, answer.text);
}

/** What the client says in `initialize` about itself, `undefined` when that cannot be read. */
export function clientOf(
  params: JsonObject | undefined,
): Pick<LinkSessionOptions, "capabilities" | "clientInfo"> | undefined {
  const { capabilities = {}, clientInfo } = params ?? {};
  if (!isJsonObject(capabilities)) return undefined;
  return { capabilities, clientInfo: isJsonObject(clientInfo) ? clientInfo : undefined };
}
