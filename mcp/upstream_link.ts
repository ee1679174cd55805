/**
 * One way of talking to an upstream that hides its transport and its protocol era: what the aggregate endpoint, stdio
 * upstreams and the era bridge are built on. The fast path, which passes bytes to an HTTP upstream of the client's own
 * era, does not use it.
 */
import type { JsonObject, JsonValue } from "../core/json.ts";

/** Legacy: 2024-11-05 to 2025-11-25, with a handshake. Modern: 2026-07-28, every request stands alone. */
export type ProtocolEra = "legacy" | "modern";

/** What an upstream says about itself, in `initialize` or in `server/discover`. */
export interface UpstreamInfo {
  readonly era: ProtocolEra;
  /** The version that is spoken with it. */
  readonly protocolVersion: string;
  /** Name and version; empty when a modern upstream does not say. */
  readonly serverInfo: JsonObject;
  readonly capabilities: JsonObject;
  readonly instructions?: string;
}

/** What of the client goes along with a request; a link sends nothing else about it. */
export interface LinkClient {
  /**
   * Capabilities that the upstream may use towards the client: already reduced to what the gateway lets through. Modern
   * upstreams get them with every request; legacy ones got those of `LinkOptions` in the handshake.
   */
  readonly capabilities: JsonObject;
  readonly clientInfo?: JsonObject;
  /** Least level of `notifications/message` that a modern upstream may send; absent: none. */
  readonly logLevel?: string;
  /** Trace context headers, lower-case names; on stdio they become `_meta` members. */
  readonly traceHeaders: Readonly<Record<string, string>>;
}

/** A request of a legacy upstream to the client; a rejection with `ServerRequestError` keeps code and message. */
export type ServerRequestHook = (
  method: string,
  params: JsonObject,
  /** Aborted when the upstream takes the request back, or the request that it belongs to has ended. */
  signal: AbortSignal,
  /** The id that the upstream gave it. */
  id?: string | number,
) => Promise<JsonObject>;

/** One request to an upstream. */
export interface LinkRequest {
  readonly method: string;
  /** Params without the members of `_meta` that belong to a protocol era and without the client's progress token. */
  readonly params: JsonObject;
  readonly client: LinkClient;
  /** Ends the request: the upstream is told in the way of its era and transport. */
  readonly signal: AbortSignal;
  /** Longest time for the whole request, milliseconds. */
  readonly timeoutMs: number;
  /** Longest silence, reset by progress and other messages that belong to the request, milliseconds. */
  readonly idleTimeoutMs?: number;
  /** Params of `notifications/progress` without the token; absent when the client asked for none. */
  readonly onProgress?: (params: JsonObject) => void;
  /** Other notifications that belong to this request, for example `notifications/message`. */
  readonly onNotification?: (method: string, params: JsonObject) => void;
  /**
   * `elicitation/create`, `sampling/createMessage`, `roots/list` of a legacy upstream. Without it such requests are
   * answered "method not found".
   */
  readonly onServerRequest?: ServerRequestHook;
  /** Whoever makes several requests with the same text here takes questions and messages for any of them. */
  readonly listensAs?: string;
}

/** What a modern upstream wants to know before it goes on. */
export interface InputRequired {
  readonly inputRequests: JsonObject;
  readonly requestState?: JsonValue;
}

/** A JSON-RPC error of either side. */
export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: JsonValue;
}

/** The answer to a request. `text` is the JSON text of the result as the upstream wrote it, numbers beyond 2^53 included. */
export type LinkAnswer =
  | { readonly kind: "result"; readonly result: JsonObject; readonly text: string }
  | {
    readonly kind: "input_required";
    readonly result: JsonObject;
    readonly text: string;
    readonly wanted: InputRequired;
  }
  | {
    readonly kind: "error";
    readonly error: RpcError;
    /** The HTTP status that it came with, when that was not 200. */
    readonly status?: number;
  };

/** The client's refusal of a request of the server: becomes a JSON-RPC error for the upstream. */
export class ServerRequestError extends Error {
  override readonly name = "ServerRequestError";
  constructor(readonly code: number, message: string, readonly data?: JsonValue) {
    super(message);
  }

  /** As the error of a message. */
  get rpcError(): RpcError {
    const { code, message, data } = this;
    return { code, message, ...(data === undefined ? {} : { data }) };
  }
}

/** Which notifications that belong to no request are wanted; the members of `subscriptions/listen`. */
export interface NotificationFilter {
  readonly toolsListChanged?: boolean;
  readonly promptsListChanged?: boolean;
  readonly resourcesListChanged?: boolean;
  /** URIs of resources. */
  readonly resourceSubscriptions?: readonly string[];
}

/** Gets `notifications/tools/list_changed`, `…/resources/updated` and the like. */
export type NotificationListener = (method: string, params: JsonObject) => void;

/** An open connection, session or process of one upstream. */
export interface UpstreamLink {
  readonly info: UpstreamInfo;
  /** Throws `UpstreamFailure` when there is no usable answer; a JSON-RPC error is an answer. */
  request(request: LinkRequest): Promise<LinkAnswer>;
  /** Throws `UpstreamFailure`. On modern HTTP, which has no notifications of clients, it does nothing. */
  notify(method: string, params: JsonObject): Promise<void>;
  /**
   * Begins to pass on notifications that belong to no request; resolves, when the upstream knows what is wanted, to how
   * to stop. Rejects with `UpstreamFailure`, or `RangeError` when too many listen.
   */
  listen(filter: NotificationFilter, listener: NotificationListener): Promise<() => void>;
  /** False once the connection, session or process is gone: requests then throw, and the pool opens another. */
  isOpen(): boolean;
  /** Resolves when the link is gone, to a word that says why: `closed` when it was us. */
  readonly gone: Promise<string>;
  close(): Promise<void>;
}
