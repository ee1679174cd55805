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
  readonly serverInfo: JsonObject;
  readonly capabilities: JsonObject;
  readonly instructions?: string;
}

/** What of the client goes along with a request; a link sends nothing else about it. */
export interface LinkClient {
  /** Capabilities that the upstream may use towards the client: already reduced to what the gateway lets through. */
  readonly capabilities: JsonObject;
  readonly clientInfo?: JsonObject;
  /** Trace context headers, lower-case names; on stdio they become `_meta` members. */
  readonly traceHeaders: Readonly<Record<string, string>>;
}

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
   * A request of a legacy upstream to the client (`elicitation/create`, `sampling/createMessage`, `roots/list`). Without it
   * such requests are answered "method not found". A rejection becomes a JSON-RPC error for the upstream.
   */
  readonly onServerRequest?: (method: string, params: JsonObject) => Promise<JsonObject>;
}

/** What a modern upstream wants to know before it goes on. */
export interface InputRequired {
  readonly inputRequests: JsonObject;
  readonly requestState?: JsonValue;
}

/** The answer to a request. */
export type LinkAnswer =
  | { readonly kind: "result"; readonly result: JsonObject; readonly bytes: number }
  | { readonly kind: "input_required"; readonly result: JsonObject; readonly wanted: InputRequired }
  | {
    readonly kind: "error";
    readonly error: { readonly code: number; readonly message: string; readonly data?: JsonValue };
    /** The HTTP status that it came with, when that was not 200. */
    readonly status?: number;
  };

/** An open connection, session or process of one upstream. */
export interface UpstreamLink {
  readonly info: UpstreamInfo;
  /** Throws `UpstreamFailure` when there is no usable answer; a JSON-RPC error is an answer. */
  request(request: LinkRequest): Promise<LinkAnswer>;
  notify(method: string, params: JsonObject): Promise<void>;
  /** Notifications that belong to no request (`notifications/tools/list_changed`, `…/resources/updated`); returns how to stop. */
  onNotification(listener: (method: string, params: JsonObject) => void): () => void;
  /** False once the connection, session or process is gone: requests then throw, and the pool opens another. */
  isOpen(): boolean;
  close(): Promise<void>;
}
