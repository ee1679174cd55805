/** The agents' side of the gateway: `/mcp/<upstream>`, legacy Streamable HTTP. */
import { admit, type Arrival, type FrontParts } from "./arrival.ts";
import { answerToolCall } from "./calls.ts";
import { type Catalogue, createCatalogue } from "./catalogue.ts";
import { answerDiscovery } from "./discovery.ts";
import { type Message, MessageError, parseMessage } from "./message.ts";
import type { CallGateway } from "./port.ts";
import { methodNotAllowed, RPC, rpcError } from "./refusals.ts";
import {
  bearerCredential,
  type HostRules,
  malformed,
  readBody,
  refuseForeignHost,
  refuseForeignTypes,
} from "./request_gate.ts";
import { answerDelete, answerGet } from "./session_streams.ts";
import { createSessions, type SessionKeys } from "./sessions.ts";
import type { ResolvedUpstream } from "./upstream_connection.ts";
import { LEGACY_VERSIONS, modernVersion } from "./versions.ts";

export interface McpFrontOptions extends HostRules {
  readonly upstreams: ReadonlyMap<string, ResolvedUpstream>;
  readonly gateway: CallGateway;
  readonly sessionKeys: SessionKeys;
  readonly maxBodyBytes: number;
  readonly decisionTimeoutMs: number;
  readonly nowMs: () => number;
  /** A clock that never steps, for ages; `performance.now` unless a test has its own. */
  readonly steadyMs?: () => number;
  /** Makes a UUIDv7. */
  readonly newId: () => string;
  readonly sessionLifetimeSeconds?: number;
  readonly bodyTimeoutMs?: number;
  readonly catalogueTtlMs?: number;
  /** Called with the duration of each exchange with an upstream. */
  readonly onUpstreamTime?: (seconds: number) => void;
  /** Called with the name of an upstream that did not answer, and what the runtime said. */
  readonly onNoAnswer?: (upstream: string, error: unknown) => void;
  /** Called with what no answer may tell: a fault inside the front. */
  readonly onFault?: (error: unknown) => void;
}

export interface McpFront {
  /** Answers one HTTP request to `/mcp/<upstreamName>`; never rejects. */
  handle(request: Request, upstreamName: string, peerIp: string): Promise<Response>;
  /** Ends the open streams of sessions, so that a drain need not wait for them; calls in flight go on. */
  closeStreams(): void;
  openStreams(): number;
  /** The definitions of the upstreams' tools, as calls see them. */
  readonly catalogue: Catalogue;
}

const DEFAULT_SESSION_SECONDS = 24 * 60 * 60;
const DEFAULT_BODY_TIMEOUT_MS = 30_000;

/** Makes the front; nothing is contacted until a request arrives. */
export function createMcpFront(options: McpFrontOptions): McpFront {
  const { onUpstreamTime, onNoAnswer } = options;
  const clock = { nowMs: options.nowMs, onUpstreamTime, onNoAnswer };
  const ttl = options.catalogueTtlMs === undefined ? {} : { ttlMs: options.catalogueTtlMs };
  // Ages go by a clock that never steps: a clock set back must not keep an old list alive.
  const nowMs = options.steadyMs ?? (() => performance.now());
  const catalogue = createCatalogue({ ...clock, ...ttl, nowMs, upstreams: options.upstreams });
  const parts: FrontParts = {
    ...clock,
    gateway: options.gateway,
    catalogue,
    openStreams: new Set(),
    sessions: createSessions(options.sessionKeys, options.nowMs),
    sessionLifetimeSeconds: options.sessionLifetimeSeconds ?? DEFAULT_SESSION_SECONDS,
  };
  return {
    catalogue,
    closeStreams() {
      for (const stream of parts.openStreams) stream.abort();
    },
    openStreams: () => parts.openStreams.size,
    async handle(request, upstreamName, peerIp) {
      try {
        return await answer(options, parts, arrivalOf(options, request, upstreamName, peerIp));
      } catch (error) {
        if (error instanceof MessageError) return malformed(error);
        options.onFault?.(error);
        return rpcError(500, -31016, "The gateway failed");
      }
    },
  };
}

function arrivalOf(
  options: McpFrontOptions,
  request: Request,
  upstreamName: string,
  peerIp: string,
): Arrival {
  const receivedAtMs = options.nowMs();
  const upstream = options.upstreams.get(upstreamName);
  return {
    request,
    upstream,
    credential: bearerCredential(request),
    protocolVersion: request.headers.get("mcp-protocol-version") ?? undefined,
    origin: {
      id: options.newId(),
      // A name from a URL can be anything; what cannot be an upstream's name stays out of events.
      upstream: upstream !== undefined || /^[a-z0-9_-]{1,63}$/.test(upstreamName) ? upstreamName : "-",
      receivedAtMs,
      deadlineMs: receivedAtMs + options.decisionTimeoutMs,
      sourceIp: peerIp,
    },
  };
}

async function answer(options: McpFrontOptions, parts: FrontParts, arrival: Arrival): Promise<Response> {
  const foreign = refuseForeignHost(arrival.request, options);
  if (foreign !== undefined) return foreign;
  switch (arrival.request.method) {
    case "POST":
      return await answerPost(options, parts, arrival);
    case "GET":
      return refuseUnknownVersion(arrival) ?? await answerGet(parts, arrival);
    case "DELETE":
      return refuseUnknownVersion(arrival) ?? await answerDelete(parts, arrival);
    default:
      return methodNotAllowed("POST, GET, DELETE");
  }
}

async function answerPost(options: McpFrontOptions, parts: FrontParts, arrival: Arrival): Promise<Response> {
  const foreign = refuseForeignTypes(arrival.request);
  if (foreign !== undefined) return foreign;
  const bodyTimeoutMs = options.bodyTimeoutMs ?? DEFAULT_BODY_TIMEOUT_MS;
  const body = await readBody(arrival.request, {
    ...{ maxBodyBytes: options.maxBodyBytes, bodyTimeoutMs },
    // Parsing megabytes costs seconds: only who has a valid token may ask for that.
    refuseLarge: async () => {
      const admission = await admit(parts, arrival, "ping", null);
      return admission instanceof Response ? admission : undefined;
    },
  });
  if (body instanceof Response) return body;
  const message = parseMessage(body);
  const isModern = message.kind !== "response" &&
    modernVersion(arrival.protocolVersion ?? null, message.params) !== undefined;
  if (!isModern) {
    const refused = refuseUnknownVersion(arrival, message);
    if (refused !== undefined) return refused;
    if (message.kind === "request" && message.method === "tools/call") {
      return await answerToolCall(parts, arrival, message);
    }
  }
  return await answerDiscovery(parts, arrival, message);
}

/** An absent header means 2025-03-26; `initialize` negotiates and does not look at it. */
function refuseUnknownVersion(arrival: Arrival, message?: Message): Response | undefined {
  const version = arrival.protocolVersion;
  if (version === undefined || LEGACY_VERSIONS.includes(version)) return undefined;
  if (message?.kind === "request" && message.method === "initialize") return undefined;
  const id = message?.kind === "request" ? message.id : null;
  return rpcError(400, RPC.badRequest, "MCP-Protocol-Version is not supported", id);
}
