/**
 * A request to an upstream that is served in this process, over a link: what HTTP would carry, without a network. Where a
 * link stands between, the front asks it like an upstream of the client's own era.
 */
import type { JsonObject } from "../core/json.ts";
import type { Admission } from "./port.ts";
import type { RpcError } from "./upstream_link.ts";

/** Who asks, as far as a link must know. */
export interface Caller extends Pick<Admission, "tenant" | "blockIds"> {
  /** Decides on the next round of a call that the upstream asked something about; gives the error that ends the call. */
  readonly decideAgain?: ((inputResponses: JsonObject) => Promise<RpcError | undefined>) | undefined;
}

/** One request. */
export interface LinkedRequest {
  readonly method: "POST" | "GET" | "DELETE";
  /** Those that would go to an HTTP upstream. */
  readonly headers: Headers;
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Ends the request and the stream of its answer. */
  readonly signal: AbortSignal;
  /** Absent for the gateway itself. */
  readonly caller: Caller | undefined;
}

/** Answers like an MCP endpoint over HTTP; throws `UpstreamFailure`. A broken stream ends with one, too. */
export type ServeLinked = (request: LinkedRequest) => Promise<Response>;
