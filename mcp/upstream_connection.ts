/** HTTP towards a tool server: what may be sent, what may come back, and how it can fail. */
import type { UpstreamConfig } from "../core/config.ts";
import type { EndingKind } from "../core/call.ts";
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

/** An HTTP upstream whose secret header values have been read. */
export type ResolvedUpstream = Readonly<Omit<UpstreamConfig, TransportMembers>> & {
  readonly name: string;
  readonly url: string;
  /** The upstream's own credential; wins over everything else. */
  readonly headers: Readonly<Record<string, string>>;
};

/** What an exchange needs to know of an upstream. */
export type Endpoint = Pick<
  ResolvedUpstream,
  "name" | "url" | "headers" | "timeout_ms" | "idle_timeout_ms" | "max_response_bytes"
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
}

/** What the exchange needs from outside. */
export interface ExchangeClock {
  readonly nowMs: () => number;
  readonly onUpstreamTime?: ((seconds: number) => void) | undefined;
  /** Called with what the runtime said when no answer began; agents learn only a code. */
  readonly onNoAnswer?: ((upstream: string, error: unknown) => void) | undefined;
  /** Hears whether somebody was there. */
  readonly loads?: Pick<UpstreamLoads, "answered" | "connectFailed"> | undefined;
}

/** Trace context only; everything else an agent sends stays here. */
const FORWARDED_HEADERS = ["traceparent", "tracestate", "baggage"];
const MAX_FORWARDED_HEADER = 8192;
const MAX_SESSION_ID = 1024;
const SMALL_ANSWER = 64 * 1024;

/** Sends one request; throws `UpstreamFailure` when no answer starts. Redirects are never followed. */
export async function exchangeWith(
  upstream: Endpoint,
  request: UpstreamRequest,
  clock: ExchangeClock,
): Promise<Exchange> {
  const isLongLived = request.isLongLived === true;
  const deadline = new Deadline(upstream.timeout_ms, isLongLived ? undefined : upstream.idle_timeout_ms);
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
    const response = await fetch(upstream.url, {
      method: request.method,
      headers: upstreamHeaders(upstream, request),
      body: request.body ?? null,
      redirect: "manual",
      signal: deadline.signal,
    });
    clock.loads?.answered(upstream.name);
    const maxBytes = isLongLived ? Infinity : upstream.max_response_bytes;
    return new Exchange(response, deadline, maxBytes, () => clock.nowMs() - startedMs, end);
  } catch (error) {
    const failure = deadline.isCancelled ? cancelled() : fetchFailure(error, deadline);
    if (failure.code === "connect_failed") clock.loads?.connectFailed(upstream.name);
    clock.onNoAnswer?.(upstream.name, error);
    end();
    throw failure;
  }
}

/** One answer on its way in: read to its end or given up, exactly once. */
export class Exchange {
  readonly status: number;
  readonly headers: Headers;
  readonly elapsedMs: () => number;
  readonly #response: Response;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #deadline: Deadline;
  readonly #maxBytes: number;
  readonly #onEnd: () => void;
  #received = 0;
  #hasEnded = false;

  constructor(
    response: Response,
    deadline: Deadline,
    maxBytes: number,
    elapsedMs: () => number,
    onEnd: () => void,
  ) {
    this.status = response.status;
    this.headers = response.headers;
    this.elapsedMs = elapsedMs;
    this.#response = response;
    this.#deadline = deadline;
    this.#maxBytes = maxBytes;
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
      this.#reader ??= this.#response.body?.getReader();
      chunk = (await this.#reader?.read())?.value;
    } catch {
      throw this.#broken();
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
    const cancelled = this.#reader?.cancel() ??
      (this.#response.bodyUsed ? undefined : this.#response.body?.cancel());
    cancelled?.catch(() => {});
  }

  /** Reads what is left and throws it away, so that the connection can be used again. Never rejects. */
  async drain(): Promise<void> {
    try {
      while (await this.read() !== undefined);
    } catch {
      // Nothing depends on these bytes any more.
    }
  }

  /** From now on the exchange ends after this time instead of the upstream's timeout. */
  extendDeadline(ms: number): void {
    this.#deadline.restart(ms);
  }

  async #readWhole(): Promise<Uint8Array> {
    try {
      const bytes = new Uint8Array(await this.#response.arrayBuffer());
      this.#end();
      return bytes;
    } catch {
      throw this.#broken();
    }
  }

  #broken(): UpstreamFailure {
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

/** One timer from connecting to the last byte, and one that each sign of life starts anew. */
class Deadline {
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasPassed = false;
  #isCancelled = false;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #idleMs: number | undefined;

  constructor(ms: number, idleMs: number | undefined) {
    this.#idleMs = idleMs;
    this.restart(ms);
    this.touch();
  }

  /** The upstream has said something. */
  touch(): void {
    if (this.#idleMs === undefined) return;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#pass(), this.#idleMs);
  }

  #pass(): void {
    this.#hasPassed = true;
    this.#controller.abort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get hasPassed(): boolean {
    return this.#hasPassed;
  }

  restart(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#pass(), ms);
  }

  /** Whether the client has taken its request back. */
  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#controller.abort();
  }

  abort(): void {
    this.#controller.abort();
  }

  clear(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#idleTimer);
  }
}

/** Only a failure to connect proves that nothing was sent; everything else leaves the outcome open. */
function fetchFailure(error: unknown, deadline: Deadline): UpstreamFailure {
  if (deadline.hasPassed) return new UpstreamFailure("unknown", "timeout");
  const text = error instanceof Error ? `${error.message} ${String(error.cause ?? "")}` : "";
  const wasNeverSent = text.includes("client error (Connect)") || text.includes("are blocked");
  return wasNeverSent
    ? new UpstreamFailure("upstream_failed", "connect_failed")
    : new UpstreamFailure("unknown", "connection_lost");
}

function upstreamHeaders(upstream: Endpoint, request: UpstreamRequest): Headers {
  const headers = new Headers({ "accept-encoding": "identity", "user-agent": "intentgate" });
  const forwarded = request.method === "GET" ? [...FORWARDED_HEADERS, "last-event-id"] : FORWARDED_HEADERS;
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
