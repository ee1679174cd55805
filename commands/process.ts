/** One gateway process: everything that `serve` runs, started in order and joined behind one listener. */
import type { Hono } from "hono";
import type { EventSource } from "../audit/event.ts";
import type { KeyRing } from "../core/key_ring.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import { watchEventLoopLag } from "../telemetry/event_loop_lag.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics.ts";
import { buildAdmin } from "./admin_parts.ts";
import { type AuditParts, buildAuditParts } from "./audit_parts.ts";
import { type Configuration, loadConfiguration, type Surroundings } from "./configuration.ts";
import { countDatabaseErrors } from "./database_errors.ts";
import { makeDataFolder, readKeyRing, readOperatorToken } from "./data_folder.ts";
import { startDemoUpstream } from "./demo_upstream.ts";
import { buildGatewayParts, type GatewayParts } from "./gateway_parts.ts";
import { httpApp, type ReadinessProbe } from "./http_app.ts";
import { type ListenAddress, localUrl, parseListen } from "./listener.ts";
import { buildMcpFront } from "./mcp_parts.ts";
import { readGauges } from "./metric_gauges.ts";
import { newReplicaId } from "./random.ts";
import { holdLease, type ReplicaLease } from "./replica_lease.ts";
import { buildStoreParts, openConfigured, type StoreParts } from "./store_parts.ts";
import { type Undo, withinMs } from "./undo.ts";
import { type ResolvedUpstreams, resolveUpstreams } from "./upstreams.ts";
import { VERSION } from "./version.ts";

/** What a started gateway tells the one who started it. */
export interface RunningProcess {
  /** Base URL on this machine. */
  readonly url: string;
  readonly dataDir: string;
  readonly operatorTokenFrom: "file" | "environment";
  readonly demo: boolean;
  readonly database: "embedded" | "postgres";
  readonly drainTimeoutMs: number;
  /** The log of this replica. */
  readonly log: Log;
  /** Refuses new calls, lets those in flight end, and records what is still to be recorded. */
  drain(): Promise<void>;
}

/** Starts the gateway. What was started is in `undo`, also when a later part fails. */
export async function startProcess(
  surroundings: Surroundings,
  write: Log,
  undo: Undo,
): Promise<RunningProcess> {
  const metrics = createMetrics();
  const replicaId = newReplicaId();
  const log: Log = (level, message, fields) => {
    metrics.logLine(level);
    write(level, message, { replica: replicaId, ...fields });
  };
  const configuration = await loadConfiguration(surroundings);
  const { config } = configuration;
  const address = parseListen(config.listen);
  await makeDataFolder(config.data_dir);
  const ring = await readKeyRing(config.data_dir, configuration.keyRingText);
  const operatorToken = await readOperatorToken(config.data_dir, configuration.operatorToken);
  const { store, upstreams, hasDemo } = await openStore(configuration, metrics, log, undo);
  const source = {
    ...{
      logId: store.logId,
      version: VERSION,
      replicaId,
      configDigest: configuration.digest,
    },
  };
  const audit = buildAuditParts({ store, source, metrics, log });
  const gateway = await buildGatewayParts({
    ...{ configuration, ring, store, audit, metrics, log, upstreams: upstreams.access },
  });
  undo.add(() => gateway.closeStages());
  const lease = await startBackground(store, audit, gateway, log, undo);
  watchProcess(metrics, configuration, store, undo);
  const parts = { configuration, ring, operatorToken, store, upstreams, metrics, audit, gateway, lease, log };
  const doors = await openDoors(parts, address);
  logStart(log, configuration, source, `${address.hostname}:${doors.port}`, store.db.kind);
  return {
    url: localUrl({ ...address, port: doors.port }),
    dataDir: config.data_dir,
    operatorTokenFrom: configuration.operatorToken === undefined ? "file" : "environment",
    ...{ demo: hasDemo, database: store.db.kind, drainTimeoutMs: config.drain_timeout_ms },
    ...{ log, drain: doors.drain },
  };
}

const MAX_SHOWN_SWITCHES = 100;

/** Everything behind the listener. */
interface Parts {
  readonly configuration: Configuration;
  readonly ring: KeyRing;
  readonly operatorToken: string;
  readonly store: StoreParts;
  readonly upstreams: ResolvedUpstreams;
  readonly metrics: Metrics;
  readonly audit: AuditParts;
  readonly gateway: GatewayParts;
  readonly lease: ReplicaLease;
  readonly log: Log;
}

/** Opens the listener, and knows how to close it without losing a call. */
async function openDoors(parts: Parts, address: ListenAddress) {
  const { configuration: { config }, store, metrics, audit, gateway, lease, log } = parts;
  const sourceIps = new WeakMap<Request, string>();
  const sourceIpOf = (request: Request) => sourceIps.get(request) ?? "unknown";
  const state = { draining: false };
  const front = await buildMcpFront({ ...parts, parts: gateway, address });
  metrics.setGauges(() => readGauges({ store, audit, gateway, lease, front }));
  const app = httpApp({
    ...{ sourceIpOf, probes: probesOf(store, gateway, lease, state) },
    information: () => ({ kill_switches: engagedSwitches(gateway) }),
    mcp: (request, upstream, sourceIp) => front.handle(request, upstream, sourceIp),
    admin: buildAdmin({ ...parts, parts: gateway, sourceIpOf }),
    metrics: () => ({ text: metrics.render(), contentType: metrics.contentType }),
  });
  const server = listen(app, address, sourceIps, log);
  return {
    port: server.addr.port,
    drain: async () => {
      state.draining = true;
      const closing = server.shutdown();
      front.closeStreams();
      await gateway.gateway.drain(config.drain_timeout_ms);
      await withinMs(1_000, closing);
      await finishRecording(audit, config.database_timeout_ms);
    },
  };
}

/** Writes what is still to be written, as far as the database takes it. */
async function finishRecording(audit: AuditParts, timeoutMs: number): Promise<void> {
  await audit.refusedAttempts.close();
  await withinMs(timeoutMs, audit.appender.idle());
  audit.outcomes.close();
}

function logStart(
  log: Log,
  configuration: Configuration,
  { version, configDigest }: EventSource,
  listen: string,
  database: string,
): void {
  const where = { listen, database, config_file: configuration.file };
  log("info", "Gateway started", { version, config_digest: configDigest, ...where });
}

/** Opens the database and, when no upstream is configured, the demo server at the same time. */
async function openStore(configuration: Configuration, metrics: Metrics, log: Log, undo: Undo) {
  const starting = configuration.config.upstreams === undefined ? startDemoUpstream() : undefined;
  starting?.catch(() => {}); // awaited below; until then a failure must not end the process
  undo.add(() => starting?.then((demo) => demo.stop(), () => {}));
  const opened = await openConfigured(configuration, (message) => log("debug", message));
  const db = countDatabaseErrors(opened, metrics.databaseError);
  undo.add(() => db.close());
  const store = await buildStoreParts(db);
  const demo = await starting;
  if (demo !== undefined) await db.transact((tx) => store.tenants.ensure(tx, "acme"));
  return { store, upstreams: resolveUpstreams(configuration, demo), hasDemo: demo !== undefined };
}

/** Takes the replica's lease, reads the revocations, and writes outcomes that ended processes left open. */
async function startBackground(
  store: StoreParts,
  audit: AuditParts,
  gateway: GatewayParts,
  log: Log,
  undo: Undo,
): Promise<ReplicaLease> {
  const { replicaId, version, configDigest } = audit.source;
  const lease = await holdLease({
    ...{ store: store.lease, replicaId, version, configDigest, nowMs: () => performance.now() },
    onError: (error) => log("error", "Cannot renew the replica's lease", { error: errorText(error) }),
  });
  undo.add(() => lease.close(audit.outcomes.live() === 0));
  if (store.db.kind === "embedded") await store.replicas.endAllExcept(replicaId); // the lock proves we are alone
  await store.settings.start((error) =>
    log("error", "Cannot read the settings version", { error: errorText(error) })
  );
  undo.add(() => store.settings.close());
  await gateway.revocations.start();
  undo.add(() => gateway.revocations.close());
  await audit.sweeper.sweep();
  audit.sweeper.start();
  undo.add(() => audit.sweeper.close());
  return lease;
}

function watchProcess(
  metrics: Metrics,
  { digest: configDigest }: Configuration,
  store: StoreParts,
  undo: Undo,
): void {
  metrics.setInfo({ version: VERSION, runtime: Deno.version.deno, configDigest, database: store.db.kind });
  const lag = watchEventLoopLag({ nowMs: () => performance.now(), observe: metrics.eventLoopLag });
  undo.add(() => lag.close());
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

function listen(
  app: Hono,
  address: ListenAddress,
  sourceIps: WeakMap<Request, string>,
  log: Log,
): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({
    ...{ hostname: address.hostname, port: address.port, onListen: () => {} },
    onError: (error) => {
      log("error", "A request met a fault", { error: errorText(error) });
      return new Response(null, { status: 500 });
    },
  }, (request, info) => {
    sourceIps.set(request, info.remoteAddr.hostname);
    return app.fetch(request);
  });
}
