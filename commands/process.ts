/** One gateway process: everything that `serve` runs, started in order and joined behind one listener. */
import type { EventSource } from "../audit/event.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import { watchEventLoopLag } from "../telemetry/event_loop_lag.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics.ts";
import { type AuditParts, buildAuditParts } from "./audit_parts.ts";
import { type Configuration, loadConfiguration, type Surroundings } from "./configuration.ts";
import { countDatabaseErrors } from "./database_errors.ts";
import { migrateAsOwner } from "./database_roles.ts";
import { makeDataFolder, readKeyRing, readOperatorToken } from "./data_folder.ts";
import { startDemoUpstream } from "./demo_upstream.ts";
import { buildGatewayParts, type GatewayParts } from "./gateway_parts.ts";
import { openDoors } from "./doors.ts";
import { parseListen } from "./listener.ts";
import { buildLogParts } from "./log_parts.ts";
import { checkKeys } from "./key_check.ts";
import { openLateRecordFolder } from "./late_record_parts.ts";
import { newReplicaId } from "./random.ts";
import { holdLease, type ReplicaLease } from "./replica_lease.ts";
import { recordStart } from "./start_record.ts";
import { buildSearchParts } from "./search_parts.ts";
import { buildStoreParts, openConfigured, type StoreParts } from "./store_parts.ts";
import { watchRecord } from "./record_watch.ts";
import type { Undo } from "./undo.ts";
import { resolveUpstreams } from "./upstreams.ts";
import { VERSION } from "./version.ts";

/** What a started gateway tells the one who started it. */
export interface RunningProcess {
  /** Base URL on this machine. */
  readonly url: string;
  /** Base URL of the admin API; the same unless it has a listener of its own. */
  readonly adminUrl: string;
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
  const adminAddress = config.admin_listen === undefined ? undefined : parseListen(config.admin_listen);
  await makeDataFolder(config.data_dir);
  const ringFile = await readKeyRing(config.data_dir, configuration.keyRingText);
  const operatorToken = await readOperatorToken(config.data_dir, configuration.operatorToken);
  const { store, upstreams, hasDemo } = await openStore(configuration, metrics, log, undo);
  const ring = await checkKeys(store, ringFile, log);
  const source = { logId: store.logId, version: VERSION, replicaId, configDigest: configuration.digest };
  const lateFolder = await openLateRecordFolder(configuration, ring);
  const audit = buildAuditParts({ store, source, lateFolder, metrics, log });
  undo.add(() => audit.late.close());
  const gateway = await buildGatewayParts({
    ...{ configuration, ring, store, audit, metrics, log, upstreams: upstreams.access },
  });
  undo.add(() => gateway.closeStages());
  const lease = await startBackground(store, audit, gateway, log, undo);
  watchProcess(metrics, configuration, store, undo);
  const logs = await buildLogParts({ configuration, store, audit, metrics, log });
  logs.signing.start();
  undo.add(() => logs.signing.close());
  logs.places.start();
  undo.add(() => logs.places.close());
  undo.add(await recordStart({ store, audit, ring, logs }));
  const search = buildSearchParts({ store, replicaId, metrics, log });
  search.indexer.start();
  undo.add(() => search.indexer.close());
  const watch = watchRecord({ configuration, store, logs, log });
  undo.add(() => watch.close());
  const parts = {
    ...{ configuration, ring, operatorToken, store, upstreams, metrics },
    ...{ audit, gateway, logs, search, watch, lease, log, undo },
  };
  const doors = await openDoors(parts, address, adminAddress);
  logStart(log, configuration, source, doors.listening, store.db.kind);
  return {
    ...{ url: doors.url, adminUrl: doors.adminUrl },
    dataDir: config.data_dir,
    operatorTokenFrom: configuration.operatorToken === undefined ? "file" : "environment",
    ...{ demo: hasDemo, database: store.db.kind, drainTimeoutMs: config.drain_timeout_ms },
    ...{ log, drain: doors.drain },
  };
}

function logStart(
  log: Log,
  configuration: Configuration,
  { version, configDigest }: EventSource,
  listening: { readonly listen: string; readonly admin_listen: string | undefined },
  database: string,
): void {
  const where = { ...listening, database, config_file: configuration.file };
  log("info", "Gateway started", { version, config_digest: configDigest, ...where });
}

/** Opens the database and, when no upstream is configured, the demo server at the same time. */
async function openStore(configuration: Configuration, metrics: Metrics, log: Log, undo: Undo) {
  const starting = configuration.config.upstreams === undefined ? startDemoUpstream() : undefined;
  starting?.catch(() => {}); // awaited below; until then a failure must not end the process
  undo.add(() => starting?.then((demo) => demo.stop(), () => {}));
  const onNotice = (message: string) => log("debug", message);
  await migrateAsOwner(configuration, onNotice);
  const opened = await openConfigured(configuration, onNotice);
  const db = countDatabaseErrors(opened, metrics.databaseError);
  undo.add(() => db.close());
  const store = await buildStoreParts(configuration, db);
  if (store.hardening === "owner") log("warn", "The database role may change what it records");
  const demo = await starting;
  if (demo !== undefined) await db.transact((tx) => store.tenants.ensure(tx, "acme"));
  return { store, upstreams: resolveUpstreams(configuration, demo), hasDemo: demo !== undefined };
}

/** Takes the replica's lease, reads the revocations, and writes what ended processes left: late records, open outcomes. */
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
  await audit.late.start(); // before the sweep: what became of a call is known better there
  await audit.sweeper.sweep();
  audit.sweeper.start();
  undo.add(() => audit.sweeper.close());
  audit.erasures.start();
  undo.add(() => audit.erasures.close());
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
