/** A legacy client in front of a modern upstream: what the upstream wants to know is asked as the client expects it. */
import type { JsonObject } from "../../core/json.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import {
  type LinkAnswer,
  type LinkRequest,
  ServerRequestError,
  type UpstreamLink,
} from "../upstream_link.ts";
import { legacyError } from "./era_errors.ts";
import { legacyResultText } from "./era_results.ts";
import { legacyServerRequest, readInputRequests } from "./input_requests.ts";

/** How often an upstream may ask during one call. */
export const MAX_INPUT_ROUNDS = 8;
/** Longest time for all rounds of one call together, the client's answers included. */
export const MAX_INPUT_MS = 10 * 60_000;

/** A request of a legacy client. */
export interface LegacyClientRequest extends LinkRequest {
  /** Called before the upstream is asked once more: a new decision may be due. A rejection ends the call with it. */
  readonly beforeRound?: (round: number, inputResponses: JsonObject) => Promise<void>;
}

/** Methods whose results may be `input_required`. */
const MAY_NEED_INPUT: readonly string[] = ["tools/call", "prompts/get", "resources/read"];

/** Sends a legacy client's request over a link of either era and answers as the legacy era does. */
export async function requestForLegacyClient(
  link: UpstreamLink,
  request: LegacyClientRequest,
): Promise<LinkAnswer> {
  if (link.info.era === "legacy") return await link.request(request);
  const untilMs = performance.now() + MAX_INPUT_MS;
  let params = withoutModernInput(request.params);
  for (let round = 1; round <= MAX_INPUT_ROUNDS; round++) {
    const answer = await link.request({ ...withoutHook(request), params });
    if (answer.kind !== "input_required") return translated(answer, request);
    if (!MAY_NEED_INPUT.includes(request.method)) throw new UpstreamFailure("upstream_failed", "not_mcp");
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) break;
    const asked = await askAll(
      answer,
      request,
      AbortSignal.any([request.signal, AbortSignal.timeout(leftMs)]),
    );
    if (asked instanceof ServerRequestError) return errorAnswer(asked);
    await request.beforeRound?.(round + 1, asked);
    const { requestState } = answer.wanted;
    params = {
      ...withoutModernInput(request.params),
      inputResponses: asked,
      ...(requestState === undefined ? {} : { requestState }),
    };
  }
  return errorAnswer(new ServerRequestError(-32603, "The upstream asked too often"));
}

function translated(
  answer: Exclude<LinkAnswer, { kind: "input_required" }>,
  request: LinkRequest,
): LinkAnswer {
  if (answer.kind === "error") {
    return { kind: "error", error: legacyError(answer.error, request.method, request.params) };
  }
  const { resultType: _type, ttlMs: _ttl, cacheScope: _scope, ...result } = answer.result;
  return { kind: "result", result, text: legacyResultText(answer.text) };
}

async function askAll(
  answer: Extract<LinkAnswer, { kind: "input_required" }>,
  request: LinkRequest,
  signal: AbortSignal,
): Promise<JsonObject | ServerRequestError> {
  const { onServerRequest } = request;
  const stop = new AbortController();
  const asking = AbortSignal.any([signal, stop.signal]);
  try {
    const wanted = readInputRequests(answer.wanted.inputRequests, request.client.capabilities);
    // An upstream that only wants to be called again asks nothing.
    if (onServerRequest === undefined && wanted.length > 0) {
      return new ServerRequestError(-32603, "The upstream needs something that this client cannot give");
    }
    const answers = await Promise.all(
      wanted.map(async ([key, one]) => {
        const { method, params } = legacyServerRequest(one, () => crypto.randomUUID());
        return [key, await beforeEnd(onServerRequest?.(method, params, asking) ?? {}, asking)] as const;
      }),
    );
    return Object.fromEntries(answers);
  } catch (error) {
    if (error instanceof ServerRequestError) return error;
    throw error instanceof UpstreamFailure
      ? error
      : new ServerRequestError(-32603, "The client gave no usable answer");
  } finally {
    // After one refusal nobody waits for the other answers.
    stop.abort();
  }
}

/** A hook that forgets the signal must not hold the call. */
function beforeEnd(answer: JsonObject | Promise<JsonObject>, signal: AbortSignal): Promise<JsonObject> {
  return new Promise((resolve, reject) => {
    const end = () => reject(new UpstreamFailure("unknown", "cancelled"));
    signal.addEventListener("abort", end, { once: true });
    // Also when it is too late: a rejection that nobody hears would end the process.
    Promise.resolve(answer).then(resolve, reject).finally(() => signal.removeEventListener("abort", end));
    if (signal.aborted) end();
  });
}

/** A legacy client has no such members: what it writes there is its own and must not be taken for an answer. */
function withoutModernInput(params: JsonObject): JsonObject {
  const { inputResponses: _responses, requestState: _state, ...rest } = params;
  return rest;
}

function withoutHook(request: LegacyClientRequest): LinkRequest {
  const { onServerRequest: _hook, beforeRound: _round, ...rest } = request;
  return rest;
}

function errorAnswer({ rpcError }: ServerRequestError): LinkAnswer {
  return { kind: "error", error: rpcError };
}
