/** How each configured upstream is reached: bytes passed over HTTP where the eras agree, links for everything else. */
import { ALL_UPSTREAMS } from "../core/call.ts";
import { type UpstreamConfig, upstreamSchema } from "../core/config.ts";
import { deriveSealKeys, type KeyRing } from "../core/key_ring.ts";
import { transportOf } from "../core/upstream_transport.ts";
import type { McpFrontOptions } from "../mcp/front.ts";
import type { ServeLinked } from "../mcp/linked_request.ts";
import { LinkServer, type ServedUpstream } from "../mcp/link_server/link_server.ts";
import { createFrameSeal } from "../mcp/replica_relay/relay_frames.ts";
import { ReplicaRelay, type ReplicaRelayOptions } from "../mcp/replica_relay/replica_relay.ts";
import type { ResolvedUpstream } from "../mcp/upstream_connection.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Configuration } from "./configuration.ts";
import { buildLinkPool } from "./link_parts.ts";
import type { StoreParts } from "./store_parts.ts";
import type { ResolvedUpstreams } from "./upstreams.ts";

/** The upstreams as the front asks them, and what stands behind those with links. */
export interface ReachedUpstreams {
  readonly upstreams: ReadonlyMap<string, ResolvedUpstream>;
  /** What the aggregate endpoint reaches: everything over links. */
  readonly aggregate: McpFrontOptions["aggregate"];
  readonly links: LinkServer;
  /** Calls back with an upstream whose links say that its tools have changed. */
  onToolsChanged(listener: (upstream: string) => void): void;
  /** Ends sessions, links and the programs behind them. */
  close(): Promise<void>;
}

export interface ReachedUpstreamsOptions {
  readonly configuration: Configuration;
  readonly upstreams: ResolvedUpstreams;
  readonly ring: KeyRing;
  readonly store: StoreParts;
  readonly replicaId: string;
  readonly log: Log;
}

/** Resolves all upstreams; opens nothing until it is asked, but the way to other replicas. */
export async function reachUpstreams(options: ReachedUpstreamsOptions): Promise<ReachedUpstreams> {
  const { configuration, upstreams: { configs, headers }, replicaId, log } = options;
  const onNoAnswer = (upstream: string, error: unknown) =>
    log("warn", "An upstream did not answer", { upstream, error: errorText(error) });
  const pool = buildLinkPool({
    ...{ upstreams: configs, secrets: configuration.upstreamSecrets, log },
    clock: { nowMs: () => Date.now(), onNoAnswer },
  });
  let toolsChanged: (upstream: string) => void = () => {};
  const relay = await buildRelay(options, (name, request) => links.serve(name)(request));
  const links: LinkServer = new LinkServer({
    ...{ pool, replicaId, relay, newId: () => crypto.randomUUID(), steadyMs: () => performance.now() },
    upstreams: [...configs].map(([name, config]) => servedUpstream(name, config)),
    onToolsChanged: (upstream) => toolsChanged(upstream),
  });
  await relay?.start();
  const upstreams = new Map<string, ResolvedUpstream>();
  const linked = new Map<string, ResolvedUpstream>();
  for (const [name, config] of configs) {
    const over: ResolvedUpstream = { ...config, name, url: "", headers: {}, serve: links.serve(name) };
    linked.set(name, over);
    const direct = { name, url: config.url ?? "", headers: headers.get(name) ?? {}, bridged: over };
    upstreams.set(name, isPlainHttp(config) ? { ...config, ...direct } : over);
  }
  return {
    ...{ upstreams, links, aggregate: { all: allUpstreams(links.serve(ALL_UPSTREAMS)), upstreams: linked } },
    onToolsChanged: (listener) => void (toolsChanged = listener),
    close: async () => {
      relay?.close();
      links.close();
      await pool.close();
    },
  };
}

/** The way to other replicas; the embedded database has one process. */
async function buildRelay(
  { store, ring, replicaId, log }: ReachedUpstreamsOptions,
  serve: ReplicaRelayOptions["serve"],
): Promise<ReplicaRelay | undefined> {
  if (store.db.kind === "embedded") return undefined;
  return new ReplicaRelay({
    ...{ store: store.linkMessages, replicaId, serve, newId: () => crypto.randomUUID() },
    nowMs: () => Date.now(),
    seal: createFrameSeal(await deriveSealKeys(ring, "session")),
    onError: (error) => log("error", "The way to another replica failed", { error: errorText(error) }),
  });
}

/** All upstreams as one: only sessions and streams go there, whose limits are those of the front. */
function allUpstreams(serve: ServeLinked): ResolvedUpstream {
  const defaults = upstreamSchema.parse({ url: "http://localhost", timeout_ms: 3_600_000 });
  const client_requests: UpstreamConfig["client_requests"] = ["elicitation", "sampling", "roots"];
  return { ...defaults, client_requests, name: ALL_UPSTREAMS, url: "", headers: {}, serve };
}

/** Whether bytes can be passed as they are: Streamable HTTP, with the same headers for everybody. */
function isPlainHttp(config: UpstreamConfig): boolean {
  const { oauth, tools, tenants } = config.credentials;
  const isSame = oauth === undefined && Object.keys(tools).length + Object.keys(tenants).length === 0;
  return transportOf(config) === "http" && isSame;
}

/** The gateway itself asks as the first tenant that may use the upstream. */
function servedUpstream(name: string, config: UpstreamConfig): ServedUpstream {
  const { timeout_ms, idle_timeout_ms, max_response_bytes, client_requests, tenants } = config;
  const [homeTenant = "*"] = tenants;
  return {
    ...{ name, transport: transportOf(config), timeout_ms, idle_timeout_ms, client_requests, tenants },
    max_response_bytes,
    homeTenant: homeTenant === "*" ? "default" : homeTenant,
  };
}
