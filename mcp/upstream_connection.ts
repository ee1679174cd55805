/** HTTP towards a tool server: what may be sent, what may come back, and how it can fail. */
import type { UpstreamConfig } from "../core/config.ts";
import type { EndingKind } from "../core/call.ts";
import { TRACE_NAMES } from "../core/trace_context.ts";
import { type ChunkReader, readChunks } from "./chunk_reader.ts";
import { ExchangeDeadline } from "./exchange_deadline.ts";
import type { Caller, ServeLinked } from "./linked_request.ts";
import { servedInTime } from "./served_in_time.ts";
import type { UpstreamLoads } from "./upstream_load.ts";

/** Members of an upstream that say how it is reached; links read them, the fast path knows only the URL. */
type TransportMembers =
  | "transport"
  | "url"
  | "headers"
  | "command"
  | "args"
  | "env"
  | "cwd"
  | "era"
  | "credentials";

/** An upstream as the front asks it: over HTTP, its secret header values read, or over links of this process. */
export type ResolvedUpstream = Readonly<Omit<UpstreamConfig, TransportMembers>> & {
  readonly name: string;
  /** Of no use where `serve` answers. */
  readonly url: string;
  /** The upstream's own credential; wins over everything else. */
  readonly headers: Readonly<Record<string, string>>;
  /** Answers in place of the network, in whichever era it is asked. */
  readonly serve?: ServeLinked;
  /** The same upstream over links: for clients of the era that it does not speak. Absent where `serve` answers. */
  readonly bridged?: ResolvedUpstream;
};

/** What an exchange needs to know of an upstream. */
export type Endpoint = Pick<
  ResolvedUpstream,
  "name" | "url" | "headers" | "timeout_ms" | "idle_timeout_ms" | "max_response_bytes" | "serve"
>;

/** An exchange that did not bring a usable answer, and what that says about the call. */
export class UpstreamFailure extends Error {
  override readonly name = "UpstreamFailure";
  constructor(
    readonly kind: Extract<EndingKind, "upstream_failed" | "unknown">,
    readonly code: string,
    readonly status?: number,
  ) {
    super(`The upstream exchange ended with "${code}"`);
  }
}

export interface UpstreamRequest {
  readonly method: "POST" | "GET" | "DELETE";
  readonly body?: Uint8Array<ArrayBuffer>;
  /** The agent's headers; only those on the allow-list go on. */
  readonly agentHeaders?: Headers;
  readonly sessionId?: string | undefined;
  readonly protocolVersion?: string | undefined;
  /** Headers of the modern era that repeat what stands in the body. */
  readonly mcpHeaders?: Readonly<Record<string, string>> | undefined;
  /** Ends the exchange when it aborts: the client has taken its request back. */
  readonly signal?: AbortSignal | undefined;
  /** A stream that stays open may be longer than one answer. */
  readonly isLongLived?: boolean;
  /** Who asks; absent for the gateway itself. Only links look at it. */
  readonly caller?: Caller | undefined;
}

/** What the exchange needs from outside. */
export interface ExchangeClock {
  readonly nowMs: () => number;
  readonly onUpstreamTime?: ((seconds: number) => void) | undefined;
  /** Called with what the runtime said when no answer began; agents learn only a code. */
  readonly onNoAnswer?: ((upstream: string, error: unknown) => void) | undefined;
  /** Hears whether somebody was there. */
  readonly loads?: Pick<UpstreamLoads, "answered" | "connectFailed" | "linger"> | undefined;
}

/** What says that nobody was there to answer. */
const NOBODY_THERE: readonly string[] = ["connect_failed", "cannot_start"];

/** Trace context only; everything else an agent sends stays here. */
const MAX_FORWARDED_HEADER = 8192;
const MAX_SESSION_ID = 1024;
const SMALL_ANSWER = 64 * 1024;
/** How long the end of an exchange may come after its answer. */
const MAX_DRAIN_MS = 1_000;

/** Sends one request; throws `UpstreamFailure` when no answer starts. Redirects are never followed. */
export async function exchangeWith(
  upstream: Endpoint,
  request: UpstreamRequest,
  clock: ExchangeClock,
): Promise<Exchange> {
  const isLongLived = request.isLongLived === true;
  // A link measures silence itself: while the client is asked, that of the upstream does not count.
  const hasIdleTime = !isLongLived && upstream.serve === undefined;
  const deadline = new ExchangeDeadline(
    upstream.timeout_ms,
    hasIdleTime ? upstream.idle_timeout_ms : undefined,
  );
  const cancel = () => deadline.cancel();
  const startedMs = clock.nowMs();
  const end = () => {
    deadline.clear();
    request.signal?.removeEventListener("abort", cancel);
    // How long a session's stream stays open says nothing about the upstream.
    if (!isLongLived) clock.onUpstreamTime?.((clock.nowMs() - startedMs) / 1000);
  };
  try {
    if (request.signal?.aborted === true) cancel();
    request.signal?.addEventListener("abort", cancel);
    const response = await send(upstream, request, deadline.signal);
    clock.loads?.answered(upstream.name);
    const maxBytes = isLongLived ? Infinity : upstream.max_response_bytes;
    const elapsedMs = () => clock.nowMs() - startedMs;
    const isNear = upstream.serve !== undefined;
    const linger = () => clock.loads === undefined ? () => {} : clock.loads.linger(upstream.name);
    return new Exchange(response, deadline, { maxBytes, isNear, elapsedMs, linger, onEnd: end });
  } catch (error) {
    const failure = deadline.isCancelled ? cancelled() : fetchFailure(error, deadline);
    if (NOBODY_THERE.includes(failure.code)) clock.loads?.connectFailed(upstream.name);
    clock.onNoAnswer?.(upstream.name, error);
    end();
    throw failure;
  }
}

function send(upstream: Endpoint, request: UpstreamRequest, signal: AbortSignal): Promise<Response> {
  const { method, body, caller } = request;
  const headers = upstreamHeaders(upstream, request);
  if (upstream.serve !== undefined) {
    const served = upstream.serve({
      method,
      headers,
      signal,
      caller,
      ...(body === undefined ? {} : { body }),
    });
    return servedInTime(served, signal);
  }
  return fetch(upstream.url, { method, headers, body: body ?? null, redirect: "manual", signal });
}

interface ExchangeTraits extends Pick<Exchange, "elapsedMs" | "isNear"> {
  readonly maxBytes: number;
  readonly linger: () => (() => void) | undefined;
  readonly onEnd: () => void;
}

/** One answer on its way in: read to its end or given up, exactly once. */
export class Exchange {
  readonly status: number;
  readonly headers: Headers;
  readonly elapsedMs: () => number;
  /** Whether this process answers it: its stream does not break without the call having failed. */
  readonly isNear: boolean;
  readonly #response: Response;
  #reader: ChunkReader | undefined;
  readonly #deadline: ExchangeDeadline;
  readonly #maxBytes: number;
  readonly #linger: ExchangeTraits["linger"];
  readonly #onEnd: () => void;
  #received = 0;
  #hasEnded = false;

  constructor(
    response: Response,
    deadline: ExchangeDeadline,
    { maxBytes, isNear, elapsedMs, linger, onEnd }: ExchangeTraits,
  ) {
    this.status = response.status;
    this.headers = response.headers;
    this.elapsedMs = elapsedMs;
    this.isNear = isNear;
    this.#response = response;
    this.#deadline = deadline;
    this.#maxBytes = maxBytes;
    this.#linger = linger;
    this.#onEnd = onEnd;
  }

  get contentType(): string {
    return (this.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  }

  /** The upstream's session id when it issued a usable one. */
  get sessionId(): string | undefined {
    const id = this.headers.get("mcp-session-id");
    if (id === null) return undefined;
    if (id.length > MAX_SESSION_ID || !/^[\x21-\x7e]+$/.test(id)) {
      throw this.fail("upstream_failed", "not_mcp");
    }
    return id;
  }

  /** The next bytes, `undefined` at the end; throws `UpstreamFailure`. */
  async read(): Promise<Uint8Array | undefined> {
    let chunk: Uint8Array | undefined;
    try {
      this.#reader ??= this.#openReader();
      chunk = await this.#reader?.read();
    } catch (error) {
      throw this.#broken(error);
    }
    if (this.#deadline.isCancelled) throw cancelled(this.status);
    if (chunk === undefined) this.#end();
    else this.#deadline.touch();
    this.#received += chunk?.length ?? 0;
    if (this.#received > this.#maxBytes) throw this.fail("upstream_failed", "response_too_large");
    return chunk;
  }

  /** Everything up to the end as text; throws `UpstreamFailure`. */
  async readText(): Promise<string> {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const declared = this.headers.get("content-length");
    // One read of a small answer costs the runtime much less than a stream; HTTP holds it to its length.
    if (declared !== null && Number(declared) <= Math.min(SMALL_ANSWER, this.#maxBytes)) {
      return this.decode(decoder, await this.#readWhole()) + this.decode(decoder);
    }
    const parts: string[] = [];
    for (let chunk = await this.read(); chunk !== undefined; chunk = await this.read()) {
      parts.push(this.decode(decoder, chunk));
    }
    parts.push(this.decode(decoder));
    return parts.join("");
  }

  decode(decoder: TextDecoder, chunk?: Uint8Array): string {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch {
      throw this.fail("upstream_failed", "not_mcp");
    }
  }

  /** Gives the exchange up and makes the error that says why. */
  fail(kind: UpstreamFailure["kind"], code: string): UpstreamFailure {
    this.abort();
    return new UpstreamFailure(kind, code, this.status);
  }

  /** The client has taken its request back: what reads throws "cancelled". */
  cancel(): void {
    this.#deadline.cancel();
    this.abort();
  }

  /** Stops reading and closes the connection. */
  abort(): void {
    if (this.#hasEnded) return;
    this.#end();
    this.#deadline.abort();
    if (this.#reader !== undefined) this.#reader.cancel();
    else if (!this.#response.bodyUsed) this.#response.body?.cancel().catch(() => {});
  }

  /**
   * Reads what is left and throws it away, so that the connection can be used again; where the end does not come soon, or
   * too many wait for theirs, it is closed. Never rejects.
   */
  async drain(): Promise<void> {
    if (this.#hasEnded) return;
    const leave = this.#linger();
    if (leave === undefined) return this.abort();
    const timer = setTimeout(() => this.abort(), MAX_DRAIN_MS);
    try {
      while (await this.read() !== undefined);
    } catch {
      // Nothing depends on these bytes any more.
    } finally {
      clearTimeout(timer);
      leave();
    }
  }

  /** From now on the exchange ends after this time instead of the upstream's timeout. */
  extendDeadline(ms: number): void {
    this.#deadline.restart(ms);
  }

  #openReader(): ChunkReader | undefined {
    const { body } = this.#response;
    return body === null ? undefined : readChunks(body, this.contentType === "text/event-stream");
  }

  async #readWhole(): Promise<Uint8Array> {
    try {
      const bytes = new Uint8Array(await this.#response.arrayBuffer());
      this.#end();
      return bytes;
    } catch (error) {
      throw this.#broken(error);
    }
  }

  #broken(error: unknown): UpstreamFailure {
    // A link knows better what happened.
    if (error instanceof UpstreamFailure) return this.fail(error.kind, error.code);
    if (this.#deadline.isCancelled) return this.fail("unknown", "cancelled");
    return this.fail("unknown", this.#deadline.hasPassed ? "timeout" : "connection_lost");
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#onEnd();
  }
}

function cancelled(status?: number): UpstreamFailure {
  return new UpstreamFailure("unknown", "cancelled", status);
}

/** Only a failure to connect proves that nothing was sent; everything else leaves the outcome open. */
function fetchFailure(error: unknown, deadline: ExchangeDeadline): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  if (deadline.hasPassed) return new UpstreamFailure("unknown", "timeout");
  const text = error instanceof Error ? `${error.message} ${String(error.cause ?? "")}` : "";
  const wasNeverSent = text.includes("client error (Connect)") || text.includes("are blocked");
  return wasNeverSent
    ? new UpstreamFailure("upstream_failed", "connect_failed")
    : new UpstreamFailure("unknown", "connection_lost");
}

function upstreamHeaders(upstream: Endpoint, request: UpstreamRequest): Headers {
  const headers = new Headers({ "accept-encoding": "identity", "user-agent": "intentgate" });
  const forwarded = request.method === "GET" ? [...TRACE_NAMES, "last-event-id"] : TRACE_NAMES;
  for (const name of forwarded) {
    const value = request.agentHeaders?.get(name) ?? "";
    if (value !== "" && value.length <= MAX_FORWARDED_HEADER) headers.set(name, value);
  }
  headers.set(
    "accept",
    request.method === "GET" ? "text/event-stream" : "application/json, text/event-stream",
  );
  if (request.body !== undefined) headers.set("content-type", "application/json");
  if (request.protocolVersion !== undefined) headers.set("mcp-protocol-version", request.protocolVersion);
  if (request.sessionId !== undefined) headers.set("mcp-session-id", request.sessionId);
  for (const [name, value] of Object.entries(request.mcpHeaders ?? {})) headers.set(name, value);
  for (const [name, value] of Object.entries(upstream.headers)) headers.set(name, value);
  return headers;
}
