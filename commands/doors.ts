/** The listeners: what is behind them, and how they close without losing a call. */
import type { KeyRing } from "../core/key_ring.ts";
import type { McpFront } from "../mcp/front.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { buildAdmin } from "./admin_parts.ts";
import type { AuditParts } from "./audit_parts.ts";
import type { Configuration } from "./configuration.ts";
import type { GatewayParts } from "./gateway_parts.ts";
import { buildConnectionParts } from "./connection_parts.ts";
import { openHttpListener } from "./http_listener.ts";
import { httpApps, type ReadinessProbe } from "./http_app.ts";
import { type ListenAddress, localUrl } from "./listener.ts";
import type { LogParts } from "./log_parts.ts";
import { buildMcpFront } from "./mcp_parts.ts";
import { readGauges } from "./metric_gauges.ts";
import { buildToolPins } from "./pin_parts.ts";
import type { LinkServer } from "../mcp/link_server/link_server.ts";
import type { OnUnread } from "../mcp/unread_answers.ts";
import { reachUpstreams } from "./reached_upstreams.ts";
import type { RecordWatch } from "./record_watch.ts";
import type { ReplicaLease } from "./replica_lease.ts";
import type { SearchParts } from "./search_parts.ts";
import type { StoreParts } from "./store_parts.ts";
import { type Undo, withinMs } from "./undo.ts";
import type { ResolvedUpstreams } from "./upstreams.ts";

const MAX_SHOWN_SWITCHES = 100;
const CLOSE_LINKS_MS = 8_000;

/** Everything behind the listeners. */
export interface Parts {
  readonly configuration: Configuration;
  readonly ring: KeyRing;
  readonly operatorToken: string;
  readonly store: StoreParts;
  readonly upstreams: ResolvedUpstreams;
  readonly metrics: Metrics;
  readonly audit: AuditParts;
  readonly gateway: GatewayParts;
  readonly logs: LogParts;
  readonly search: SearchParts;
  readonly watch: RecordWatch;
  readonly lease: ReplicaLease;
  readonly log: Log;
  readonly undo: Undo;
}

/** Opens the listeners: one for everybody, or with `adminAddress` one for agents and one for operators. */
export async function openDoors(
  parts: Parts,
  address: ListenAddress,
  adminAddress: ListenAddress | undefined,
) {
  const { store, metrics, audit, gateway, lease, log } = parts;
  const peers = new WeakMap<Request, Deno.NetAddr>();
  const sourceIpOf = (request: Request) => peers.get(request)?.hostname ?? "unknown";
  const state = { draining: false };
  const connections = buildConnectionParts(parts.configuration.config, metrics, log);
  parts.undo.add(() => connections.close());
  const { front, links } = await openFront(parts, address, (request, reason) => {
    const peer = peers.get(request);
    if (peer !== undefined) connections.guard?.giveUp(peer.hostname, peer.port, reason);
  });
  gateway.revocations.onRestricted(() => endWhatIsRevoked(gateway, front, links));
  announceOtherLists(store, gateway, front);
  metrics.setGauges(() =>
    readGauges({ store, audit, gateway, search: parts.search, watch: parts.watch, lease, front, connections })
  );
  const apps = httpApps({
    ...{ sourceIpOf, probes: probesOf(store, gateway, lease, state) },
    information: () => ({
      hardening: store.hardening,
      kill_switches: engagedSwitches(gateway),
      checkpoint_refusals: parts.logs.signing.refusals().map(({ code }) => code),
    }),
    mcp: (request, upstream, sourceIp) => front.handle(request, upstream, sourceIp),
    describe: (request, path) => front.describe(request, path),
    admin: await buildAdmin({ ...parts, parts: gateway, sourceIpOf }),
    metrics: () => ({ text: metrics.render(), contentType: metrics.contentType }),
  }, adminAddress !== undefined);
  const listening = { peers, guard: connections.guard, log };
  const server = openHttpListener({ ...listening, app: apps.agents, address });
  const adminServer = adminAddress &&
    openHttpListener({ ...listening, app: apps.operators, address: adminAddress });
  const url = localUrl({ ...address, port: server.port });
  return {
    url,
    adminUrl: adminServer === undefined ? url : localUrl({ ...adminAddress!, port: adminServer.port }),
    listening: {
      listen: `${address.hostname}:${server.port}`,
      admin_listen: adminServer && `${adminServer.hostname}:${adminServer.port}`,
    },
    drain: async () => {
      state.draining = true;
      const closing = server.shutdown();
      front.closeStreams();
      parts.search.streams.close();
      await drainCalls(parts);
      await withinMs(1_000, closing);
      if (adminServer !== undefined) await withinMs(1_000, adminServer.shutdown());
      connections.close();
    },
  };
}

/** Whose token no longer counts loses streams, sessions and links. */
function endWhatIsRevoked({ revocations }: GatewayParts, front: McpFront, links: LinkServer): void {
  void front.recheckStreams();
  links.endWhere((tenant, blockId) => revocations.isBlockRevoked(tenant, blockId));
}

/** What callers may list changes with the checks' own versions, which follow the settings. */
function announceOtherLists(store: StoreParts, { gateway }: GatewayParts, front: McpFront): void {
  let announced = gateway.listsVersion();
  store.settings.onChange(() => {
    const version = gateway.listsVersion();
    if (version === announced) return;
    announced = version;
    front.announceLists();
  });
}

/** The agents' side, and how upstreams are reached from there. */
async function openFront(
  parts: Parts,
  address: ListenAddress,
  onUnread: OnUnread,
): Promise<{ readonly front: McpFront; readonly links: LinkServer }> {
  const { store, audit, gateway, metrics, log } = parts;
  const pins = buildToolPins({
    ...{ store, metrics, log, source: audit.source },
    upstreams: parts.upstreams.configs,
  });
  const reached = await reachUpstreams({ ...parts, replicaId: audit.source.replicaId });
  // A link that is being opened may take longer than anybody waits for the end.
  parts.undo.add(() => withinMs(CLOSE_LINKS_MS, reached.close()));
  const front = await buildMcpFront({ ...parts, parts: gateway, address, pins, reached, onUnread });
  reached.onToolsChanged((upstream) => front.catalogue.reread(upstream));
  return { front, links: reached.links };
}

/** Lets calls in flight end and writes what is still to be written, as far as the database takes it. */
async function drainCalls({ configuration: { config }, audit, gateway }: Parts): Promise<void> {
  await gateway.gateway.drain(config.drain_timeout_ms);
  await audit.refusedAttempts.close();
  await withinMs(config.database_timeout_ms, audit.late.replay());
  await withinMs(config.database_timeout_ms, audit.appender.idle());
  audit.outcomes.close();
}

function probesOf(
  store: StoreParts,
  gateway: GatewayParts,
  lease: ReplicaLease,
  state: { readonly draining: boolean },
): readonly ReadinessProbe[] {
  const must = (holds: boolean, otherwise: string) => {
    if (!holds) throw new Error(otherwise);
  };
  return [
    { part: "database", probe: () => store.db.ping() },
    {
      part: "revocations",
      probe: () => must(gateway.revocations.isFresh(), "the feed was not read recently"),
    },
    { part: "lease", probe: () => lease.probe() },
    { part: "accepting", probe: () => must(!state.draining, "the gateway is shutting down") },
  ];
}

/** Scope and time only: whom a switch stops and why is for operators. */
function engagedSwitches({ revocations }: GatewayParts) {
  return revocations.engagedSwitches().slice(0, MAX_SHOWN_SWITCHES).map(({ scope, since }) => ({
    scope,
    since: Math.floor(since),
  }));
}
