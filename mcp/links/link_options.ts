/** What every kind of link needs to know and is bounded by. */
import type { JsonObject } from "../../core/json.ts";

/** Most requests of one link that may be open at once. */
export const MAX_PENDING = 256;
/** Most requests of one upstream to clients that may be open at once on one link. */
export const MAX_SERVER_REQUESTS = 16;
/** Most listeners of one link, and most resource URIs that they may want together. */
export const MAX_LISTENERS = 1_000;
export const MAX_RESOURCE_URIS = 1_000;
/** Deepest nesting of a message of an upstream. */
export const MAX_MESSAGE_DEPTH = 64;
/** Longest time from opening to the end of the handshake. */
export const HANDSHAKE_TIMEOUT_MS = 30_000;

/** How the gateway introduces itself to upstreams. */
export const GATEWAY_CLIENT_INFO: JsonObject = { name: "intentgate", version: "1" };

/** Options of every kind of link. */
export interface LinkOptions {
  /** Name of the upstream in the configuration, for messages. */
  readonly upstream: string;
  /** Most bytes of one message of the upstream. */
  readonly maxMessageBytes: number;
  /** What a legacy upstream is told in `initialize`. Default: none, so that a correct one never asks. */
  readonly clientCapabilities?: JsonObject;
  readonly clientInfo?: JsonObject;
  /**
   * True when one principal alone uses the link: only then may a request of the upstream that names no request of ours
   * reach a client, because only then is it certain which.
   */
  readonly isExclusive?: boolean;
  /** Default: `HANDSHAKE_TIMEOUT_MS`. */
  readonly handshakeTimeoutMs?: number;
}
