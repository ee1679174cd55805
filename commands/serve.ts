/** `intentgate serve`: the composition root. Starts the parts in order, serves until told to stop, drains. */
import { createLog, errorText, type LogLevel } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { printWelcome } from "./welcome.ts";
import { buildAdmin } from "./admin_parts.ts";
import { type Command, parseOptions, type Terminal, UsageError } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";
import { makeDataFolder, readKeyRing, readOperatorToken } from "./data_folder.ts";
import { type DemoUpstream, startDemoUpstream } from "./demo_upstream.ts";
import { buildGatewayParts, newReplicaId } from "./gateway_parts.ts";
import { httpApp, type ReadinessProbe } from "./http_app.ts";
import { parseListen } from "./listener.ts";
import { buildMcpFront } from "./mcp_parts.ts";
import { holdLease } from "./replica_lease.ts";
import { buildStoreParts, openConfigured } from "./store_parts.ts";
import { resolveUpstreams } from "./upstreams.ts";
import { VERSION } from "./version.ts";

export const serve: Command = {
  name: "serve",
  summary: "Run the gateway",
  usage: [
    "[--quiet]",
    "",
    "  --quiet            do not print the welcome text",
    "",
    "Without configuration: listens on 127.0.0.1:8080, keeps an embedded database and generated keys in ./.intentgate",
    'and starts the demo tool server "acme". Configuration: INTENTGATE_CONFIG, INTENTGATE_*, DATABASE_URL.',
  ].join("\n"),
  run: async (args, terminal) => {
    const { values } = parseOptions(args, { quiet: { type: "boolean", default: false } });
    const running = await startGateway(terminal);
    if (!values.quiet) printWelcome(terminal, running);
    await running.stopped;
    return 0;
  },
};

/** What a started gateway tells the one who started it. */
export interface RunningProcess {
  /** Base URL on this machine. */
  readonly url: string;
  readonly dataDir: string;
  readonly operatorTokenFrom: "file" | "environment";
  readonly demo: boolean;
  readonly database: "embedded" | "postgres";
  /** Resolves when everything is closed after a signal. */
  readonly stopped: Promise<void>;
}

/** How long everything but the calls in flight may take to stop. */
const STOP_GRACE_MS = 15_000;

/** Things to undo, in reverse order of starting. */
class Undo {
  readonly #steps: (() => unknown)[] = [];
  add(step: () => unknown): void {
    this.#steps.push(step);
  }
  async run(onError: (error: unknown) => void): Promise<void> {
    for (const step of this.#steps.toReversed()) {
      try {
        await step();
      } catch (error) {
        onError(error);
      }
    }
  }
}

/** Starts the gateway. When a part cannot start, those already started are closed again. */
export async function startGateway(terminal: Terminal): Promise<RunningProcess> {
  const { log, close: closeLog } = createLog({
    write: (text) => writeAll(text),
    nowMs: () => Date.now(),
    level: logLevel(terminal.env.INTENTGATE_LOG_LEVEL),
  });
  const undo = new Undo();
  undo.add(closeLog);
  const onStopError = (error: unknown) => log("error", "Cannot stop a part", { error: errorText(error) });
  try {
    return await start(terminal, log, undo, onStopError);
  } catch (error) {
    await undo.run(onStopError);
    throw error;
  }
}

async function start(
  terminal: Terminal,
  log: ReturnType<typeof createLog>["log"],
  undo: Undo,
  onStopError: (error: unknown) => void,
): Promise<RunningProcess> {
  const configuration = await loadConfiguration(terminal);
  const { config } = configuration;
  const address = parseListen(config.listen);
  await makeDataFolder(config.data_dir);
  const ring = await readKeyRing(config.data_dir, configuration.keyRingText);
  const operatorToken = await readOperatorToken(config.data_dir, configuration.operatorToken);
  const starting = config.upstreams === undefined ? startDemoUpstream() : undefined;
  starting?.catch(() => {}); // awaited below; until then a failure must not end the process
  undo.add(() => starting?.then((demo) => demo.stop(), () => {}));
  const db = await openConfigured(configuration, (message) => log("debug", message));
  undo.add(() => db.close());
  const store = await buildStoreParts(db);
  const demo: DemoUpstream | undefined = await starting;
  const upstreams = await resolveUpstreams(configuration, demo);
  if (demo !== undefined) await db.transact((tx) => store.tenants.ensure(tx, "acme"));

  const metrics = createMetrics();
  const replicaId = newReplicaId();
  const parts = await buildGatewayParts({
    ...{ configuration, ring, store, replicaId, version: VERSION, metrics, log },
    upstreams: upstreams.access,
  });
  undo.add(() => parts.closeStages());
  const lease = await holdLease({
    ...{ store: store.lease, replicaId, version: VERSION, configDigest: configuration.digest },
    nowMs: () => performance.now(),
    onError: (error) => log("error", "Cannot renew the replica's lease", { error: errorText(error) }),
  });
  undo.add(() => lease.close(parts.outcomes.live() === 0));
  if (db.kind === "embedded") await store.replicas.endAllExcept(replicaId); // the lock proves that we are alone
  await parts.revocations.start();
  undo.add(() => parts.revocations.close());
  await parts.sweeper.sweep();
  parts.sweeper.start();
  undo.add(() => parts.sweeper.close());
  metrics.setGauges(() => ({
    auditQueue: parts.appender.queued(),
    callsInFlight: parts.gateway.inFlight(),
    revocationAgeSeconds: parts.revocations.ageMs() / 1000,
  }));

  const sourceIps = new WeakMap<Request, string>();
  const sourceIpOf = (request: Request) => sourceIps.get(request) ?? "unknown";
  let draining = false;
  const probes: ReadinessProbe[] = [
    { part: "database", probe: () => db.ping() },
    { part: "revocations", probe: () => must(parts.revocations.isFresh(), "the feed was not read recently") },
    { part: "lease", probe: () => lease.probe() },
    { part: "accepting", probe: () => must(!draining, "the gateway is shutting down") },
  ];
  const app = httpApp({
    ...{ probes, sourceIpOf },
    mcp: await buildMcpFront({ configuration, ring, parts, metrics, log, address, upstreams }),
    admin: buildAdmin({ configuration, ring, store, parts, operatorToken, sourceIpOf, log }),
    metrics: async () => ({ text: await metrics.render(), contentType: metrics.contentType }),
  });
  const server = Deno.serve({
    ...{ hostname: address.hostname, port: address.port, onListen: () => {} },
    onError: (error) => {
      log("error", "A request met a fault", { error: errorText(error) });
      return new Response(null, { status: 500 });
    },
  }, (request, info) => {
    sourceIps.set(request, info.remoteAddr.hostname);
    return app.fetch(request);
  });
  const url = `http://${address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname}`;
  log("info", "Gateway started", {
    ...{ version: VERSION, listen: `${address.hostname}:${server.addr.port}`, database: db.kind },
    ...{ replica: replicaId, config_digest: configuration.digest, config_file: configuration.file },
  });

  const stopped = untilSignal().then(async (signal) => {
    draining = true;
    log("info", "Draining", { signal });
    const guard = setTimeout(() => {
      log("error", "A part did not stop in time: ending the process");
      Deno.exit(1);
    }, config.drain_timeout_ms + STOP_GRACE_MS);
    const closing = server.shutdown();
    await parts.gateway.drain(config.drain_timeout_ms);
    await withinMs(1_000, closing);
    await parts.refusedAttempts.close();
    await withinMs(config.database_timeout_ms, parts.appender.idle());
    parts.outcomes.close();
    await undo.run(onStopError);
    clearTimeout(guard);
  });
  return {
    url: `${url}:${server.addr.port}`,
    dataDir: config.data_dir,
    operatorTokenFrom: configuration.operatorToken === undefined ? "file" : "environment",
    demo: demo !== undefined,
    database: db.kind,
    stopped,
  };
}

/** Waits for work, but no longer than that. */
async function withinMs(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => void (timer = setTimeout(resolve, timeoutMs)));
  await Promise.race([work, late]);
  clearTimeout(timer);
}

function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

/** Resolves with the first signal that asks the process to stop; a second one ends it at once. */
function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      Deno.addSignalListener(signal, () => {
        if (asked) Deno.exit(1);
        asked = true;
        resolve(signal);
      });
    }
  });
}

function logLevel(value: string | undefined): LogLevel {
  if (value === undefined) return "info";
  if (value === "debug" || value === "info" || value === "warn" || value === "error") return value;
  throw new UsageError(`INTENTGATE_LOG_LEVEL expects debug, info, warn or error, found "${value}"`);
}

/** Logs go to standard error, so that standard output carries only what was asked for. */
function writeAll(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) written += Deno.stderr.writeSync(bytes.subarray(written));
}
