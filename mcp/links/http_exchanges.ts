/** What links over HTTP share: sending one message with the upstream's credential, and reading what comes back. */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { readEvents } from "../answer.ts";
import { type StreamEvent } from "../event_stream.ts";
import {
  type Exchange,
  type ExchangeClock,
  exchangeWith,
  UpstreamFailure,
  type UpstreamRequest,
} from "../upstream_connection.ts";
import type { Conversation } from "./conversation.ts";
import type { LinkOptions } from "./link_options.ts";
import type { PendingRequest } from "./pending_requests.ts";
import { readRpcError } from "./wire_message.ts";

/** Which credential a request needs. */
export interface CredentialOrder {
  /** Name of the tool for `tools/call`. */
  readonly tool?: string;
}

/** Options of links over HTTP. */
export interface HttpLinkOptions extends LinkOptions {
  readonly url: string;
  readonly clock: ExchangeClock;
  /** The upstream's own credential as request headers; asked before every request. A rejection fails the request. */
  readonly credential?: (order: CredentialOrder) => Promise<Readonly<Record<string, string>>>;
  /** The upstream refused the credential with 401: a token that was kept is of no use any more. */
  readonly onUnauthorized?: (order: CredentialOrder) => void;
}

/** Longest timer that the runtime knows. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Our own time limits end a request before the exchange's do. */
const DEADLINE_SLACK_MS = 1_000;
/** How long the rest of a stream is read after its answer, so that the connection can be used again. */
const DRAIN_MS = 2_000;
/** Time for messages that wait for no answer. */
const NOTICE_TIMEOUT_MS = 10_000;

/** One HTTP request of a link; throws `UpstreamFailure`. */
export async function exchange(
  options: HttpLinkOptions,
  request: UpstreamRequest,
  about: { readonly pending?: PendingRequest | undefined; readonly tool?: string | undefined } = {},
): Promise<Exchange> {
  const order = about.tool === undefined ? {} : { tool: about.tool };
  const headers = await credentialFor(options, order);
  if (about.pending?.ended.aborted) throw new UpstreamFailure("upstream_failed", "cancelled");
  const timeoutMs = about.pending?.request.timeoutMs ?? NOTICE_TIMEOUT_MS;
  const endpoint = {
    ...{ name: options.upstream, url: options.url, headers },
    timeout_ms: Math.min(timeoutMs + DEADLINE_SLACK_MS, MAX_TIMER_MS),
    max_response_bytes: options.maxMessageBytes,
  };
  if (about.pending !== undefined) about.pending.isSent = true;
  const answer = await exchangeWith(endpoint, request, options.clock);
  if (answer.status === 401) options.onUnauthorized?.(order);
  return answer;
}

async function credentialFor(options: HttpLinkOptions, order: CredentialOrder) {
  try {
    return await options.credential?.(order) ?? {};
  } catch (error) {
    options.clock.onNoAnswer?.(options.upstream, error);
    throw new UpstreamFailure("upstream_failed", "no_credential");
  }
}

/** A signal that aborts when a request is given up or has failed, and not when it was answered. */
export function givenUp(pending: PendingRequest): AbortSignal {
  const controller = new AbortController();
  pending.ended.addEventListener("abort", () => {
    if (!pending.isAnswered) controller.abort();
  }, { once: true });
  return controller.signal;
}

/** Headers that agents' requests bring along and that go on to the upstream: trace context. */
export function traceHeaders(pending: PendingRequest | undefined): Headers {
  return new Headers({ ...pending?.request.client.traceHeaders });
}

/** What a stream of events was when it ended. */
export interface StreamEnd {
  readonly lastEventId?: string;
  readonly retryMs?: number;
  /** How many messages came. */
  readonly messages: number;
}

/** Hands the messages of a stream on until its request is answered or the stream ends; throws `UpstreamFailure`. */
export async function readStream(
  stream: Exchange,
  conversation: Conversation,
  limits: { readonly maxMessageBytes: number },
  pending?: PendingRequest,
  onPlace?: (end: StreamEnd) => void,
): Promise<StreamEnd> {
  let end: StreamEnd = { messages: 0 };
  for await (const event of readEvents(stream, limits.maxMessageBytes)) {
    end = { ...end, ...placeOf(event) };
    onPlace?.(end);
    if (event.data === undefined || event.data === "") continue;
    conversation.receive(event.data, pending);
    end = { ...end, messages: end.messages + 1 };
    if (pending?.ended.aborted) {
      stream.extendDeadline(DRAIN_MS);
      void stream.drain();
      break;
    }
  }
  return end;
}

function placeOf(event: StreamEvent): { lastEventId?: string; retryMs?: number } {
  const id = fieldOf(event, "id");
  const retry = fieldOf(event, "retry");
  return {
    // An id that cannot stand in a header cannot be asked for again.
    ...(id !== undefined && /^[\x20-\x7e]{1,1024}$/.test(id) ? { lastEventId: id } : {}),
    ...(retry !== undefined && /^\d{1,9}$/.test(retry) ? { retryMs: Number(retry) } : {}),
  };
}

/** The last value of a field of an event. */
export function fieldOf(event: StreamEvent, name: string): string | undefined {
  const line = event.lines.findLast((text) => text === name || text.startsWith(`${name}:`));
  return line?.slice(name.length + 1).replace(/^ /, "");
}

/** Takes a JSON answer in; throws `UpstreamFailure` when it is none to this request. */
export async function readJson(answer: Exchange, conversation: Conversation, pending: PendingRequest) {
  conversation.receive(await answer.readText(), pending);
  if (!pending.ended.aborted) throw answer.fail("upstream_failed", "not_mcp");
}

/** Makes an answer of an HTTP status that says no: the upstream's JSON-RPC error, or `UpstreamFailure`. */
export async function refuseStatus(answer: Exchange, pending: PendingRequest): Promise<void> {
  const { status } = answer;
  if (status >= 300 && status < 400) throw answer.fail("upstream_failed", "redirect");
  if (answer.contentType !== "application/json") throw answer.fail("upstream_failed", `http_${status}`);
  const error = errorIn(await answer.readText());
  if (error === undefined) throw answer.fail("upstream_failed", `http_${status}`);
  pending.resolve({ kind: "error", error, status });
}

/** Servers answer what they could not read with the id null. */
function errorIn(text: string) {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) && value.jsonrpc === "2.0" ? readRpcError(value.error) : undefined;
  } catch {
    return undefined;
  }
}

/** The bytes of a message. */
export function bytesOf(message: JsonObject): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(message));
}

/** The tool that a message calls. */
export function toolOf({ method, params }: JsonObject): string | undefined {
  if (method !== "tools/call" || !isJsonObject(params)) return undefined;
  return typeof params.name === "string" ? params.name : undefined;
}

/** Waits, or stops waiting when the link closes. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(ms, MAX_TIMER_MS));
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
