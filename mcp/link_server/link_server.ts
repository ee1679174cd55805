/**
 * Upstreams behind links, served as if each were an MCP endpoint over HTTP that speaks the client's own protocol era: what
 * lets the front treat programs, old transports and upstreams of the other era like every other upstream.
 */
import { ALL_UPSTREAMS } from "../../core/call.ts";
import type { JsonObject } from "../../core/json.ts";
import { AGGREGATE_CAPABILITIES, AGGREGATE_SERVER_INFO } from "../aggregate/aggregate_info.ts";
import { shownUri } from "../aggregate/aggregate_names.ts";
import { parseLinkEventId } from "../link_event_id.ts";
import type { LinkedRequest, ServeLinked } from "../linked_request.ts";
import { type Message, MessageError, parseMessage, type RequestMessage } from "../message.ts";
import { bridgedServerCapabilities, initializeResult } from "../links/era_results.ts";
import type { LinkKey, LinkLease, LinkPool } from "../links/link_pool.ts";
import { ParkedCalls } from "../links/parked_calls.ts";
import { RPC } from "../refusals.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { UpstreamInfo } from "../upstream_link.ts";
import { MODERN_VERSIONS, negotiatedLegacyVersion } from "../versions.ts";
import { errorText, jsonAnswer, resultText } from "./answer_stream.ts";
import { readCallState } from "./call_state.ts";
import { answerLegacyRequest, answerOwnRequest, clientOf } from "./legacy_requests.ts";
import type { LinkedUpstream } from "./link_key.ts";
import { KeptStreams } from "./kept_streams.ts";
import type { LinkSession, LinkSessionOptions } from "./link_session.ts";
import { LinkSessions } from "./link_sessions.ts";
import { LogLevels } from "./log_levels.ts";
import { listenToAll } from "./aggregate_listen.ts";
import { answerModernRequest } from "./modern_requests.ts";

/** Brings a request to the replica that has the session or the call that it goes on with. */
export interface LinkRelay {
  /** Throws `UpstreamFailure` (`owner_lost`) when that replica is gone. */
  send(owner: string, upstream: string, request: LinkedRequest): Promise<Response>;
}

export interface LinkServerOptions {
  readonly upstreams: readonly ServedUpstream[];
  readonly pool: LinkPool;
  readonly replicaId: string;
  /** Makes an id that nobody can guess. */
  readonly newId: () => string;
  readonly steadyMs: () => number;
  /** Called when an upstream of an aggregate session says that its tools have changed. */
  readonly onToolsChanged?: ((upstream: string) => void) | undefined;
  /** Absent where there is one replica. */
  readonly relay?: LinkRelay | undefined;
}

/** An upstream of the aggregate endpoint. */
export interface ServedUpstream extends LinkedUpstream {
  /** Tenants that may use it; `*` is every one. */
  readonly tenants: readonly string[];
}

/** All upstreams behind links of this replica. */
export class LinkServer {
  readonly #options: LinkServerOptions;
  readonly #sessions: LinkSessions;
  readonly #kept: KeptStreams;
  readonly #parked: ParkedCalls;
  readonly #logLevels = new LogLevels();

  constructor(options: LinkServerOptions) {
    this.#options = options;
    this.#parked = new ParkedCalls({ newId: options.newId });
    this.#kept = new KeptStreams(options);
    this.#sessions = new LinkSessions({ ...options, kept: this.#kept });
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  get parkedCalls(): number {
    return this.#parked.size;
  }

  /** How requests to an upstream are served, or with `ALL_UPSTREAMS` those for all together. */
  serve(name: string): ServeLinked {
    if (name === ALL_UPSTREAMS) return (request) => this.#answerForAll(request);
    const upstream = this.#options.upstreams.find((one) => one.name === name);
    if (upstream === undefined) throw new RangeError(`Expected an upstream, got "${name}"`);
    return (request) => this.#answer(upstream, request);
  }

  /** Ends sessions, parked calls and links of principals whose token no longer counts. */
  endWhere(concerns: (tenant: string, blockId: string) => boolean): void {
    const hasLost = ({ tenant, blockIds = [] }: Pick<LinkKey, "tenant" | "blockIds">) =>
      blockIds.some((blockId) => concerns(tenant, blockId));
    this.#sessions.endWhere(hasLost);
    this.#parked.endWhere(hasLost);
    void this.#options.pool.closeWhere(hasLost);
  }

  /** Ends all sessions and parked calls. */
  close(): void {
    this.#sessions.close();
    this.#parked.close();
  }

  /** Answers one request for all upstreams: sessions, streams, and what only carries them. Throws `UpstreamFailure`. */
  async #answerForAll(request: LinkedRequest): Promise<Response> {
    const sessionId = request.headers.get("mcp-session-id") ?? undefined;
    const elsewhere = this.#elsewhere(sessionId, ALL_UPSTREAMS, request);
    if (elsewhere !== undefined) return await elsewhere;
    if (request.method !== "POST") return this.#answerStream(sessionId, request);
    const message = readMessage(request);
    if (message instanceof Response) return message;
    const { caller } = request;
    const own = this.#options.upstreams.filter(({ tenants }) =>
      caller !== undefined && isFor(tenants, caller.tenant)
    );
    if (isModern(request)) {
      const { pool, onToolsChanged } = this.#options;
      return await listenToAll(message, request, { pool, onToolsChanged, upstreams: own });
    }
    if (message.kind === "request" && message.method === "initialize") {
      return this.#initializeAll(own, request, message);
    }
    const session = sessionId === undefined ? undefined : this.#sessions.find(sessionId, caller);
    if (session === undefined) return new Response(null, { status: 404 });
    if (message.kind === "request") return answerOwnRequest(session, message);
    await Promise.all(own.map((upstream) => takeOneWay(session, upstream, message).catch(() => {})));
    return new Response(null, { status: 202 });
  }

  /** Answers one request; throws `UpstreamFailure`. */
  async #answer(upstream: LinkedUpstream, request: LinkedRequest): Promise<Response> {
    const sessionId = request.headers.get("mcp-session-id") ?? undefined;
    const elsewhere = this.#elsewhere(sessionId, upstream.name, request);
    if (elsewhere !== undefined) return await elsewhere;
    if (request.method !== "POST") return this.#answerStream(sessionId, request);
    const message = readMessage(request);
    if (message instanceof Response) return message;
    if (!isModern(request)) return await this.#answerLegacy(upstream, request, message, sessionId);
    if (message.kind !== "request") return new Response(null, { status: 400 });
    const state = readCallState(message.params?.requestState);
    if (state?.kind === "parked" && state.replica !== this.#options.replicaId) {
      return await this.#relayed(state.replica, upstream.name, request);
    }
    const { pool, replicaId } = this.#options;
    const parts = { pool, replicaId, parked: this.#parked, logLevels: this.#logLevels };
    return await answerModernRequest({ upstream, message, request, ...parts });
  }

  /** The answer of the replica that keeps the session, `undefined` when that is this one. */
  #elsewhere(
    sessionId: string | undefined,
    upstream: string,
    request: LinkedRequest,
  ): Promise<Response> | undefined {
    const owner = sessionId === undefined ? undefined : this.#sessions.ownerOf(sessionId);
    if (owner === undefined || owner === this.#options.replicaId) return undefined;
    return this.#relayed(owner, upstream, request);
  }

  async #relayed(owner: string, upstream: string, request: LinkedRequest): Promise<Response> {
    const { relay } = this.#options;
    return relay === undefined
      ? new Response(null, { status: 404 })
      : await relay.send(owner, upstream, request);
  }

  #answerStream(sessionId: string | undefined, request: LinkedRequest): Response {
    const session = sessionId === undefined ? undefined : this.#sessions.find(sessionId, request.caller);
    if (session === undefined) return new Response(null, { status: 404 });
    if (request.method === "GET") return openStream(session, request);
    this.#sessions.end(session);
    return new Response(null, { status: 200 });
  }

  async #answerLegacy(
    upstream: LinkedUpstream,
    request: LinkedRequest,
    message: Message,
    sessionId: string | undefined,
  ): Promise<Response> {
    if (message.kind === "request" && message.method === "initialize") {
      return await this.#initialize(upstream, request, message);
    }
    const session = sessionId === undefined ? undefined : this.#sessions.find(sessionId, request.caller);
    if (session?.upstream(upstream.name) === undefined) return new Response(null, { status: 404 });
    if (message.kind !== "request") {
      await takeOneWay(session, upstream, message);
      return new Response(null, { status: 202 });
    }
    return await answerLegacyRequest({ session, upstream, message, request, logLevels: this.#logLevels });
  }

  async #initialize(
    upstream: LinkedUpstream,
    request: LinkedRequest,
    message: RequestMessage,
  ): Promise<Response> {
    const session = this.#newSession([upstream], request, message, { shownUri: (_upstream, uri) => uri });
    if (session instanceof Response) return session;
    try {
      const { link, release } = await this.#leaseFirst(session, upstream.name);
      release();
      // Nobody would ever learn its name.
      if (request.signal.aborted) throw new UpstreamFailure("unknown", "cancelled");
      const info = session.isExclusive(upstream) ? link.info : withoutLogging(link.info);
      return initialized(
        session,
        message,
        initializeResult(info, upstream.name, message.params?.protocolVersion),
      );
    } catch (error) {
      this.#sessions.end(session);
      throw error;
    }
  }

  /** A principal that has too many programs already gives up the session that it has not used for longest. */
  async #leaseFirst(session: LinkSession, upstream: string): Promise<LinkLease> {
    try {
      return await session.lease(upstream);
    } catch (error) {
      const isFull = error instanceof UpstreamFailure && error.code === "too_many_links";
      if (!isFull || !this.#sessions.endOldestBeside(session, upstream)) throw error;
      return await session.lease(upstream);
    }
  }

  /** No upstream is asked: which of them answer shows when they are listed. */
  #initializeAll(
    upstreams: readonly LinkedUpstream[],
    request: LinkedRequest,
    message: RequestMessage,
  ): Response {
    const { onToolsChanged } = this.#options;
    const session = this.#newSession(upstreams, request, message, { shownUri, onToolsChanged });
    if (session instanceof Response) return session;
    const info: UpstreamInfo = {
      ...{ era: "modern", protocolVersion: "", serverInfo: AGGREGATE_SERVER_INFO },
      capabilities: AGGREGATE_CAPABILITIES,
    };
    return initialized(
      session,
      message,
      initializeResult(info, "intentgate", message.params?.protocolVersion),
    );
  }

  #newSession(
    upstreams: readonly LinkedUpstream[],
    { caller }: LinkedRequest,
    message: RequestMessage,
    shows: Pick<LinkSessionOptions, "shownUri" | "onToolsChanged">,
  ): LinkSession | Response {
    if (caller === undefined) throw new UpstreamFailure("upstream_failed", "no_caller");
    const client = clientOf(message.params);
    if (client === undefined) {
      const problem = '"params.capabilities" is not an object';
      return jsonAnswer(errorText(message.id, { code: RPC.invalidParams, message: problem }));
    }
    const { tenant, blockIds } = caller;
    return this.#sessions.open({
      ...{ ...client, ...shows, tenant, blockIds, upstreams },
      protocolVersion: negotiatedLegacyVersion(message.params?.protocolVersion),
    });
  }
}

/** The session's own stream, or what follows the event that the client has had last: 400 when that is forgotten. */
function openStream(session: LinkSession, { headers, signal }: LinkedRequest): Response {
  const last = parseLinkEventId(headers.get("last-event-id"));
  if (last === undefined) return session.changes.open(signal);
  return session.resume(last, signal) ?? new Response(null, { status: 400 });
}

function initialized(session: LinkSession, { id }: RequestMessage, result: JsonObject): Response {
  const response = jsonAnswer(resultText(id, JSON.stringify(result)));
  response.headers.set("mcp-session-id", session.options.id);
  return response;
}

function isModern({ headers }: LinkedRequest): boolean {
  return MODERN_VERSIONS.includes(headers.get("mcp-protocol-version") ?? "");
}

function isFor(tenants: readonly string[], tenant: string): boolean {
  return tenants.includes("*") || tenants.includes(tenant);
}

/** The message of a request, or the answer to one that has none. */
function readMessage({ body }: LinkedRequest): Message | Response {
  try {
    return parseMessage(body ?? new Uint8Array());
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    return jsonAnswer(errorText(error.id, { code: RPC.invalidRequest, message: error.message }, 400));
  }
}

/** Whose messages of a legacy upstream are nobody knows on a link that several share: no client may wait for them. */
function withoutLogging(info: UpstreamInfo): UpstreamInfo {
  if (info.era === "modern") return info;
  const { logging: _logging, ...capabilities } = bridgedServerCapabilities(info.capabilities);
  return { ...info, capabilities };
}

async function takeOneWay(
  session: LinkSession,
  upstream: LinkedUpstream,
  message: Exclude<Message, RequestMessage>,
): Promise<void> {
  if (message.kind === "response") {
    return session.answered(message.id, JSON.parse(new TextDecoder().decode(message.bytes)));
  }
  if (message.method === "notifications/cancelled") return session.cancel(message.params?.requestId);
  // No link is opened only to say so.
  if (message.method !== "notifications/roots/list_changed" || !session.holds(upstream.name)) return;
  const { link, release } = await session.lease(upstream.name);
  try {
    await link.notify(message.method, message.params ?? {});
  } finally {
    release();
  }
}
