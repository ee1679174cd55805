/** The agents' side of the gateway: `/mcp/<upstream>`, Streamable HTTP of both protocol eras on one URL. */
import { ALL_UPSTREAMS } from "../core/call.ts";
import { parseTraceparent } from "../core/trace_context.ts";
import {
  type Admissions,
  createAdmissions,
  Overloaded,
  type OverloadReason,
  type Visit,
} from "./admission.ts";
import { createAggregateCursors } from "./aggregate/aggregate_cursors.ts";
import {
  type AggregateUpstreams,
  answerAggregateModern,
  answerAggregateSession,
  placeOfStream,
} from "./aggregate/aggregate_front.ts";
import { admit, type Arrival, type FrontParts, type UnfitResult } from "./arrival.ts";
import { type Catalogue, createCatalogue } from "./catalogue.ts";
import { type Message, MessageError, parseMessage } from "./message.ts";
import { createDiscoveries } from "./modern/discoveries.ts";
import { answerModern } from "./modern/messages.ts";
import { createRequestStates } from "./modern/request_state.ts";
import { isGoverned } from "./named_call.ts";
import { OpenStreams } from "./open_streams.ts";
import type { CallGateway } from "./port.ts";
import { protectedResourceResponse, type ResourceRules } from "./protected_resource.ts";
import { Rechecks } from "./rechecks.ts";
import { methodNotAllowed, overloadedResponse, RPC, rpcError } from "./refusals.ts";
import {
  bearerCredential,
  malformed,
  readBody,
  refuseForeignHost,
  refuseForeignTypes,
} from "./request_gate.ts";
import { createServerRequestIds } from "./server_requests.ts";
import { answerSessionCall } from "./session_calls.ts";
import { answerSessionMessage } from "./session_messages.ts";
import { answerDelete, answerGet } from "./session_streams.ts";
import { createSessions, type SessionKeys } from "./sessions.ts";
import type { ToolPins } from "./tool_pins.ts";
import type { UnreadAnswersOptions } from "./unread_answers.ts";
import type { ResolvedUpstream } from "./upstream_connection.ts";
import { createUpstreamLoads, type UpstreamLoads, type UpstreamRefusal } from "./upstream_load.ts";
import { LEGACY_VERSIONS, modernVersion } from "./versions.ts";

export interface McpFrontOptions extends ResourceRules {
  readonly upstreams: ReadonlyMap<string, ResolvedUpstream>;
  /** What the aggregate endpoint reaches: all upstreams together, and each over its links. Absent: there is none. */
  readonly aggregate?: { readonly all: ResolvedUpstream; readonly upstreams: AggregateUpstreams } | undefined;
  readonly gateway: CallGateway;
  readonly sessionKeys: SessionKeys;
  readonly maxDeciding: number;
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
  /** The pins of the upstreams' tools; absent: every definition is taken as it comes. */
  readonly pins?: ToolPins | undefined;
  /** Called with a structured result that does not fit its schema. */
  readonly onResultUnfit?: ((unfit: UnfitResult) => void) | undefined;
  /** Called with the duration of each exchange with an upstream. */
  readonly onUpstreamTime?: (seconds: number) => void;
  /** Called with the name of an upstream that did not answer, and what the runtime said. */
  readonly onNoAnswer?: (upstream: string, error: unknown) => void;
  readonly onOverload?: (reason: OverloadReason) => void;
  /** What clients that do not read may leave here, and who is told of an answer that is given up. */
  readonly unread?: UnreadAnswersOptions;
  readonly onUpstreamRefused?: (code: UpstreamRefusal["code"]) => void;
  /** Called when an upstream is given up because nobody is there, and when it answers again. */
  readonly onCircuit?: (upstream: string, state: "open" | "closed") => void;
  /** Called with what no answer may tell: a fault inside the front. */
  readonly onFault?: (error: unknown) => void;
}

export interface McpFront {
  /** Answers one HTTP request to `/mcp/<upstreamName>`, or to `/mcp` for `ALL_UPSTREAMS`; never rejects. */
  handle(request: Request, upstreamName: string, peerIp: string): Promise<Response>;
  /** RFC 9728: the metadata of the endpoint at `path`, which is empty or begins with a slash. */
  describe(request: Request, path: string): Response;
  /** Ends the open streams of sessions, so that a drain need not wait for them; calls in flight go on. */
  closeStreams(): void;
  /** Ends the streams and the requests under way of those whose token no longer counts. */
  recheckStreams(): Promise<void>;
  /** Tells all who listen that what they may list is decided otherwise now. */
  announceLists(): void;
  openStreams(): number;
  /** Requests by what they are waiting for: their body, a decision, an upstream. */
  underWay(): { readonly reading: number; readonly deciding: number; readonly forwarded: number };
  /** Bytes of answers that nobody has read yet, besides the first of each. */
  unreadBytes(): number;
  /** The definitions of the upstreams' tools, as calls see them. */
  readonly catalogue: Catalogue;
}

const DEFAULT_SESSION_SECONDS = 24 * 60 * 60;
const DEFAULT_BODY_TIMEOUT_MS = 30_000;

interface BuiltParts {
  readonly parts: FrontParts;
  readonly admissions: Admissions;
  readonly loads: UpstreamLoads;
}

function buildParts(options: McpFrontOptions): BuiltParts {
  const { onUpstreamTime, onNoAnswer } = options;
  // Ages go by a clock that never steps: a clock set back must not keep an old list alive.
  const nowMs = options.steadyMs ?? (() => performance.now());
  const loads = createUpstreamLoads({
    maxConcurrent: new Map([...options.upstreams].map(([name, upstream]) => [name, upstream.max_concurrent])),
    ...{ steadyMs: nowMs, onRefused: options.onUpstreamRefused, onCircuit: options.onCircuit },
  });
  const admissions = createAdmissions({
    ...{ maxDeciding: options.maxDeciding, onRefused: options.onOverload },
    ...(options.unread === undefined ? {} : { unread: options.unread }),
  });
  const clock = { nowMs: options.nowMs, onUpstreamTime, onNoAnswer, loads };
  const ttl = options.catalogueTtlMs === undefined ? {} : { ttlMs: options.catalogueTtlMs };
  const catalogue = createCatalogue({
    ...clock,
    ...ttl,
    nowMs,
    pins: options.pins,
    upstreams: options.upstreams,
  });
  const rechecks = new Rechecks();
  const parts: FrontParts = {
    ...clock,
    gateway: options.gateway,
    onResultUnfit: options.onResultUnfit,
    catalogue,
    openStreams: new OpenStreams(rechecks),
    rechecks,
    serverRequestIds: createServerRequestIds(options.sessionKeys),
    listCursors: createAggregateCursors(options.sessionKeys),
    requestStates: createRequestStates(options.sessionKeys, options.nowMs, options.newId),
    discoveries: createDiscoveries(clock, nowMs),
    resourceRules: options,
    renew: (origin) => {
      const receivedAtMs = options.nowMs();
      return {
        ...origin,
        id: options.newId(),
        receivedAtMs,
        deadlineMs: receivedAtMs + options.decisionTimeoutMs,
      };
    },
    sessions: createSessions(options.sessionKeys, options.nowMs),
    sessionLifetimeSeconds: options.sessionLifetimeSeconds ?? DEFAULT_SESSION_SECONDS,
  };
  return { parts, admissions, loads };
}

/** Makes the front; nothing is contacted until a request arrives. */
export function createMcpFront(options: McpFrontOptions): McpFront {
  const { parts, admissions, loads } = buildParts(options);
  const { catalogue } = parts;
  catalogue.onChange((upstream, changed) => void parts.openStreams.announceTools(upstream, changed));
  return {
    catalogue,
    describe: (request, path) => protectedResourceResponse(request, path, options),
    closeStreams() {
      parts.openStreams.closeAll();
    },
    recheckStreams: () => parts.rechecks.recheck(),
    announceLists: () => void parts.openStreams.announceLists(),
    openStreams: () => parts.openStreams.size,
    underWay: () => ({
      reading: admissions.reading(),
      deciding: admissions.deciding(),
      forwarded: loads.waiting(),
    }),
    unreadBytes: () => admissions.unreadBytes(),
    async handle(request, upstreamName, peerIp) {
      const credential = bearerCredential(request);
      let visit: Visit | undefined;
      let status = 0;
      try {
        visit = admissions.arrive(request, credential, peerIp);
        const from = { credential, peerIp, visit, rechecksBefore: parts.rechecks.count };
        const arrival = arrivalOf(options, request, upstreamName, from);
        const response = await answer(options, parts, arrival);
        status = response.status;
        return response;
      } catch (error) {
        return failed(options, error);
      } finally {
        visit?.end(status);
      }
    },
  };
}

function failed(options: McpFrontOptions, error: unknown): Response {
  if (error instanceof Overloaded) return overloadedResponse();
  if (error instanceof MessageError) return malformed(error);
  options.onFault?.(error);
  return rpcError(500, -31016, "The gateway failed");
}

function arrivalOf(
  options: McpFrontOptions,
  request: Request,
  upstreamName: string,
  from: Pick<Arrival, "credential" | "visit" | "rechecksBefore"> & { readonly peerIp: string },
): Arrival {
  const receivedAtMs = options.nowMs();
  const isForAll = upstreamName === ALL_UPSTREAMS && options.aggregate !== undefined;
  const upstream = isForAll ? options.aggregate?.all : options.upstreams.get(upstreamName);
  const trace = parseTraceparent(request.headers.get("traceparent"));
  return {
    request,
    upstream,
    credential: from.credential,
    visit: from.visit,
    rechecksBefore: from.rechecksBefore,
    protocolVersion: request.headers.get("mcp-protocol-version") ?? undefined,
    origin: {
      id: options.newId(),
      // A name from a URL can be anything; what cannot be an upstream's name stays out of events.
      upstream: upstream !== undefined || /^[a-z0-9_-]{1,63}$/.test(upstreamName) ? upstreamName : "-",
      receivedAtMs,
      deadlineMs: receivedAtMs + options.decisionTimeoutMs,
      sourceIp: from.peerIp,
      ...(trace === undefined ? {} : { trace }),
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
      if (isModernVersion(arrival)) return methodNotAllowed("POST");
      return refuseUnknownVersion(arrival) ?? await answerGet(parts, placeOfGet(options, arrival));
    case "DELETE":
      if (isModernVersion(arrival)) return methodNotAllowed("POST");
      return refuseUnknownVersion(arrival) ?? await answerDelete(parts, arrival);
    default:
      return methodNotAllowed("POST, GET, DELETE");
  }
}

function placeOfGet({ aggregate }: McpFrontOptions, arrival: Arrival): Arrival {
  const isForAll = arrival.origin.upstream === ALL_UPSTREAMS && aggregate !== undefined;
  return isForAll ? placeOfStream(arrival, aggregate.upstreams) : arrival;
}

async function answerPost(options: McpFrontOptions, parts: FrontParts, arrival: Arrival): Promise<Response> {
  const foreign = refuseForeignTypes(arrival.request);
  if (foreign !== undefined) return foreign;
  const bodyTimeoutMs = options.bodyTimeoutMs ?? DEFAULT_BODY_TIMEOUT_MS;
  const body = await readBody(arrival.request, {
    ...{ maxBodyBytes: options.maxBodyBytes, bodyTimeoutMs },
    // Parsing megabytes costs seconds: only who has a valid token may ask for that.
    refuseLarge: async () => {
      try {
        const admission = await admit(parts, arrival, "ping", null);
        if (admission instanceof Response) return admission;
        arrival.visit.takeLargeBody();
        return undefined;
      } catch (error) {
        return failed(options, error); // whoever reads bodies takes a throw for a broken connection
      }
    },
  });
  if (body instanceof Response) return body;
  const turn = arrival.visit.decide();
  if (turn !== undefined) await turn;
  const message = parseMessage(body);
  const all = arrival.origin.upstream === ALL_UPSTREAMS ? options.aggregate?.upstreams : undefined;
  const isModern = message.kind !== "response" &&
    modernVersion(arrival.protocolVersion ?? null, message.params) !== undefined;
  if (!isModern) {
    const refused = refuseUnknownVersion(arrival, message);
    if (refused !== undefined) return refused;
    if (all !== undefined) return await answerAggregateSession(parts, arrival, message, all);
    if (message.kind === "request" && isGoverned(message.method)) {
      return await answerSessionCall(parts, arrival, message);
    }
    return await answerSessionMessage(parts, arrival, message);
  }
  if (all !== undefined) return await answerAggregateModern(parts, arrival, message, all);
  return await answerModern(parts, arrival, message);
}

/** The modern era knows neither GET nor DELETE. */
function isModernVersion({ protocolVersion }: Arrival): boolean {
  return modernVersion(protocolVersion ?? null, undefined) !== undefined;
}

/** An absent header means 2025-03-26; `initialize` negotiates and does not look at it. */
function refuseUnknownVersion(arrival: Arrival, message?: Message): Response | undefined {
  const version = arrival.protocolVersion;
  if (version === undefined || LEGACY_VERSIONS.includes(version)) return undefined;
  if (message?.kind === "request" && message.method === "initialize") return undefined;
  const id = message?.kind === "request" ? message.id : null;
  return rpcError(400, RPC.badRequest, "MCP-Protocol-Version is not supported", id);
}
