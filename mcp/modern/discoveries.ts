/** What upstreams say about themselves in `server/discover`, and whether they speak the modern era at all. */
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { collectAnswer } from "../answer.ts";
import type { ForwardEnding } from "../port.ts";
import {
  type ExchangeClock,
  exchangeWith,
  type ResolvedUpstream,
  UpstreamFailure,
} from "../upstream_connection.ts";
import { CAPABILITIES_META, CLIENT_INFO_META, SERVER_INFO_META } from "../links/modern_meta.ts";
import { GATEWAY_CLIENT_INFO } from "../links/link_options.ts";
import { MODERN_VERSIONS, VERSION_META } from "../versions.ts";

/** A modern upstream. */
export interface Discovered {
  /** Versions that both sides speak; never empty. */
  readonly versions: readonly string[];
  readonly capabilities: JsonObject;
  readonly serverInfo?: JsonObject;
  readonly instructions?: string;
  /** True when the upstream itself is legacy, and modern clients reach it over its links. */
  readonly isBridged?: true;
}

/** What is known of an upstream. */
export type Discovery = Discovered | "legacy";

/** The upstreams of one replica. */
export interface Discoveries {
  /** At once, `undefined` when nothing is known. */
  known(upstream: string): Discovery | undefined;
  /** Asks when nothing is known; throws `UpstreamFailure` when nobody answers. */
  read(upstream: ResolvedUpstream): Promise<Discovery>;
  /** Asks again in the background when what is known is old. */
  refresh(upstream: ResolvedUpstream): void;
  /** The same, and sooner when a request ended as at a server that speaks another era than before. */
  heard(upstream: ResolvedUpstream, ending: ForwardEnding): void;
}

/** How long an answer is believed; then it is asked again while the old one still serves. */
const TTL_MS = 30_000;
/** How long after it was asked an upstream that seems to have changed is not asked again. */
const DOUBTED_TTL_MS = 5_000;
/** What a server answers to requests of an era that it does not speak. */
const FOREIGN_STATUSES: readonly number[] = [400, 404, 405, 406, 415, 422, 501];
/** Who does not answer the question in this time is taken for a server that does not know it. */
const PROBE_TIMEOUT_MS = 5_000;
const LINK_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_INSTRUCTIONS_LENGTH = 64 * 1024;

interface Entry {
  readonly discovery: Discovery;
  /** Also of a question that nobody answered: those who come meanwhile do not ask again. */
  askedAtMs: number;
}

/** Makes the memory of discoveries; `steadyMs` is a clock that never steps. */
export function createDiscoveries(clock: ExchangeClock, steadyMs: () => number): Discoveries {
  const entries = new Map<string, Entry>();
  const reading = new Map<string, Promise<Discovery>>();
  const ask = (upstream: ResolvedUpstream): Promise<Discovery> => {
    const known = reading.get(upstream.name);
    if (known !== undefined) return known;
    const before = entries.get(upstream.name)?.discovery;
    // Who spoke the modern era and is silent now is busy, and no other server.
    const silenceIsLegacy = before === undefined || before === "legacy" || before.isBridged === true;
    const asked = discover(upstream, clock, silenceIsLegacy).then((discovery) => {
      entries.set(upstream.name, { discovery, askedAtMs: steadyMs() });
      return discovery;
    }).finally(() => reading.delete(upstream.name));
    reading.set(upstream.name, asked);
    return asked;
  };
  const askAfter = (upstream: ResolvedUpstream, ttlMs: number) => {
    const entry = entries.get(upstream.name);
    if (entry === undefined || steadyMs() - entry.askedAtMs <= ttlMs) return;
    entry.askedAtMs = steadyMs();
    ask(upstream).catch(() => {});
  };
  return {
    known: (upstream) => entries.get(upstream)?.discovery,
    async read(upstream) {
      const entry = entries.get(upstream.name);
      if (entry === undefined) return await ask(upstream);
      askAfter(upstream, TTL_MS);
      return entry.discovery;
    },
    refresh: (upstream) => askAfter(upstream, TTL_MS),
    heard(upstream, { upstreamStatus = 0 }) {
      if (FOREIGN_STATUSES.includes(upstreamStatus)) askAfter(upstream, DOUBTED_TTL_MS);
    },
  };
}

/** The upstream as modern clients reach it. */
export function discoveredUpstream(upstream: ResolvedUpstream, { isBridged }: Discovered): ResolvedUpstream {
  return isBridged === true ? upstream.bridged ?? upstream : upstream;
}

async function discover(
  upstream: ResolvedUpstream,
  clock: ExchangeClock,
  silenceIsLegacy: boolean,
): Promise<Discovery> {
  const direct = await askUpstream(upstream, clock, silenceIsLegacy);
  if (direct !== "legacy" || upstream.bridged === undefined) return direct;
  const over = await askUpstream(upstream.bridged, clock);
  return over === "legacy" ? over : Object.freeze({ ...over, isBridged: true as const });
}

async function askUpstream(
  upstream: ResolvedUpstream,
  clock: ExchangeClock,
  silenceIsLegacy = true,
): Promise<Discovery> {
  const method = "server/discover";
  const version = MODERN_VERSIONS[0] ?? "";
  const _meta = { [VERSION_META]: version, [CAPABILITIES_META]: {}, [CLIENT_INFO_META]: GATEWAY_CLIENT_INFO };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { _meta } });
  // A link must be opened first, which for a program can take a while; and it always knows the question.
  const longestMs = upstream.serve === undefined ? PROBE_TIMEOUT_MS : LINK_TIMEOUT_MS;
  const asked = { ...upstream, timeout_ms: Math.min(upstream.timeout_ms, longestMs) };
  try {
    const exchange = await exchangeWith(asked, {
      ...{ method: "POST", body: new TextEncoder().encode(body), protocolVersion: version },
      mcpHeaders: { "mcp-method": method },
    }, clock);
    const answer = await collectAnswer(exchange, 1, MAX_ANSWER_BYTES);
    return readDiscovery(answer.result?.value);
  } catch (error) {
    const mayBeLegacy = upstream.serve === undefined && error instanceof UpstreamFailure &&
      (silenceIsLegacy || !SILENCES.includes(error.code)) && saysLegacy(error);
    if (mayBeLegacy) return "legacy";
    throw error;
  }
}

const SILENCES: readonly string[] = ["timeout", "stream_closed"];

/** A refusal, a strange answer or silence: what servers say that never heard of the question. */
function saysLegacy({ code, status }: UpstreamFailure): boolean {
  if (code === "not_mcp" || SILENCES.includes(code)) return true;
  return status !== undefined && status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status);
}

function readDiscovery(result: JsonObject | undefined): Discovery {
  const spoken: readonly JsonValue[] = Array.isArray(result?.supportedVersions)
    ? result.supportedVersions
    : [];
  const versions = MODERN_VERSIONS.filter((version) => spoken.includes(version));
  if (result === undefined || versions.length === 0) return "legacy";
  const meta = isJsonObject(result._meta) ? result._meta : {};
  const serverInfo = meta[SERVER_INFO_META];
  const { instructions } = result;
  const isText = typeof instructions === "string" && instructions.length <= MAX_INSTRUCTIONS_LENGTH;
  return Object.freeze({
    versions,
    capabilities: isJsonObject(result.capabilities) ? result.capabilities : {},
    ...(isJsonObject(serverInfo) ? { serverInfo } : {}),
    ...(isText ? { instructions } : {}),
  });
}
