/**
 * The JSON-RPC side of a link, whatever carries the messages: requests with ids and progress tokens of our own, answers
 * and notifications to those they belong to, requests of the upstream to the one client that they can be meant for.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import {
  type LinkAnswer,
  type LinkRequest,
  type ProtocolEra,
  type RpcError,
  ServerRequestError,
} from "../upstream_link.ts";
import { MAX_SERVER_REQUESTS } from "./link_options.ts";
import { linkParams } from "./modern_meta.ts";
import { isChangeNotice, NotificationHub } from "./notification_hub.ts";
import { type GiveUpReason, type PendingRequest, PendingRequests } from "./pending_requests.ts";
import { readWireMessage, type WireMessage } from "./wire_message.ts";

/** What carries the messages of one link. */
export interface Channel {
  /** Sends one message; a rejection with `UpstreamFailure` fails the request that it opens. */
  send(message: JsonObject, pending?: PendingRequest): Promise<void>;
  /** Tells the upstream that a sent request is given up, in the way of the transport. */
  cancel(pending: PendingRequest, reason: GiveUpReason): void;
}

export interface ConversationOptions {
  readonly channel: Channel;
  readonly isExclusive: boolean;
  /** Whether trace context goes into `_meta`, because the transport has no headers. */
  readonly carriesTrace: boolean;
  /** Something came that is no message; counted, never answered. */
  readonly onUnusable?: (why: string) => void;
  /** Whether a change notice is passed on; default: always. */
  readonly accepts?: (params: JsonObject, origin: PendingRequest | undefined) => boolean;
}

/** JSON-RPC over one connection, session or process. */
export class Conversation {
  readonly pending = new PendingRequests();
  readonly hub = new NotificationHub();
  /** Set by the handshake. */
  era: ProtocolEra = "legacy";
  readonly #options: ConversationOptions;
  readonly #serverRequests = new Map<string | number, AbortController>();

  constructor(options: ConversationOptions) {
    this.#options = options;
  }

  /** Sends one request and waits for its answer; throws `UpstreamFailure`. */
  request(request: LinkRequest): Promise<LinkAnswer> {
    let pending: PendingRequest;
    try {
      pending = this.pending.open(request);
    } catch (error) {
      return Promise.reject(error);
    }
    this.start(pending);
    return pending.answer;
  }

  /** Sends a request that is already open. */
  start(pending: PendingRequest): void {
    if (pending.ended.aborted) return;
    const { method, params, client, onProgress } = pending.request;
    const { channel, carriesTrace } = this.#options;
    pending.onGivenUp = (reason) => channel.cancel(pending, reason);
    const full = linkParams(params, client, {
      isModern: this.era === "modern",
      carriesTrace,
      ...(onProgress === undefined ? {} : { progressToken: pending.id }),
    });
    const message = { jsonrpc: "2.0", id: pending.id, method, params: full };
    channel.send(message, pending).catch((error) => pending.fail(asFailure(error)));
  }

  notify(method: string, params: JsonObject): Promise<void> {
    return this.#options.channel.send({ jsonrpc: "2.0", method, params });
  }

  /** Takes one message in; `origin` is the request on whose stream it came. */
  receive(text: string, origin?: PendingRequest): WireMessage["kind"] {
    const message = readWireMessage(text);
    switch (message.kind) {
      case "result":
        this.pending.find(message.id)?.resolve(answerOf(message.result, message.text));
        break;
      case "error":
        this.pending.find(message.id)?.resolve({ kind: "error", error: message.error });
        break;
      case "notification":
        this.#take(message.method, message.params, origin);
        break;
      case "request":
        this.#serve(message, origin);
        break;
      case "unusable":
        this.pending.find(message.id)?.fail(new UpstreamFailure("upstream_failed", "not_mcp"));
        this.#options.onUnusable?.(message.why);
    }
    return message.kind;
  }

  /** The connection is gone: everything that waits fails. */
  end(code: string): void {
    this.pending.breakOff(code);
    for (const open of this.#serverRequests.values()) open.abort();
    this.#serverRequests.clear();
    this.hub.clear();
  }

  #take(method: string, params: JsonObject, origin: PendingRequest | undefined): void {
    if (method === "notifications/progress") return this.#takeProgress(params);
    if (method === "notifications/cancelled") return this.#takeBack(params.requestId);
    if (isChangeNotice(method)) {
      origin?.touch();
      if (this.#options.accepts?.(params, origin) ?? true) this.hub.deliver(method, params);
      return;
    }
    // What names no request can only be handed on when it is certain whose it is.
    const target = origin ??
      (this.#options.isExclusive
        ? this.pending.addressee(({ onNotification }) => onNotification !== undefined)
        : undefined);
    target?.touch();
    target?.request.onNotification?.(method, params);
  }

  #takeProgress(params: JsonObject): void {
    const { progressToken, ...rest } = params;
    const pending = this.pending.find(progressToken);
    pending?.touch();
    pending?.request.onProgress?.(rest);
  }

  #takeBack(id: JsonValue | undefined): void {
    if (typeof id !== "string" && typeof id !== "number") return;
    this.#serverRequests.get(id)?.abort();
  }

  #serve(
    message: Extract<WireMessage, { kind: "request" }>,
    origin: PendingRequest | undefined,
  ): void {
    const id = message.id as string | number;
    if (message.method === "ping") return this.#respond({ id, result: {} });
    const target = origin ??
      (this.#options.isExclusive
        ? this.pending.addressee(({ onServerRequest }) => onServerRequest !== undefined)
        : undefined);
    const hook = target?.request.onServerRequest;
    if (this.era === "modern" || hook === undefined || target === undefined) {
      return this.#refuse(id, { code: -32601, message: "Method not found" });
    }
    if (this.#serverRequests.size >= MAX_SERVER_REQUESTS || this.#serverRequests.has(id)) {
      return this.#refuse(id, { code: -32603, message: "Too many requests to the client are open" });
    }
    void this.#ask(id, target, () => {
      const takenBack = new AbortController();
      this.#serverRequests.set(id, takenBack);
      const signal = AbortSignal.any([takenBack.signal, target.ended]);
      return { answer: hook(message.method, message.params, signal, id), signal };
    });
  }

  async #ask(
    id: string | number,
    target: PendingRequest,
    start: () => { readonly answer: Promise<JsonObject>; readonly signal: AbortSignal },
  ): Promise<void> {
    const release = target.hold();
    let signal: AbortSignal | undefined;
    try {
      const asked = start();
      signal = asked.signal;
      const result = await asked.answer;
      if (!signal.aborted) this.#respond({ id, result });
    } catch (error) {
      // A request that was taken back or whose call has ended needs no answer.
      if (signal?.aborted !== true) this.#refuse(id, errorOf(error));
    } finally {
      this.#serverRequests.delete(id);
      release();
    }
  }

  #refuse(id: string | number, error: RpcError): void {
    this.#respond({ id, error: { ...error } });
  }

  #respond(response: JsonObject): void {
    // An answer that cannot be sent leaves the upstream waiting; the call that it belongs to has its own time limit.
    this.#options.channel.send({ jsonrpc: "2.0", ...response }).catch(() => {});
  }
}

/** What a result means: `input_required` is the modern era's only other kind. */
export function answerOf(result: JsonObject, text: string): LinkAnswer {
  if (result.resultType !== "input_required") return { kind: "result", result, text };
  const { inputRequests = {}, requestState } = result;
  const wanted = {
    inputRequests: isJsonObject(inputRequests) ? inputRequests : {},
    ...(requestState === undefined ? {} : { requestState }),
  };
  return { kind: "input_required", result, text, wanted };
}

function errorOf(error: unknown): RpcError {
  if (error instanceof ServerRequestError) return error.rpcError;
  return { code: -32603, message: "The client gave no usable answer" };
}

function asFailure(error: unknown): UpstreamFailure {
  return error instanceof UpstreamFailure ? error : new UpstreamFailure("unknown", "connection_lost");
}
