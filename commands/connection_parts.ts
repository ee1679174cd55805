/** Joins the guard of connections with the configuration, the metrics and a timer. */
import type { Config } from "../core/config.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { type ConnectionGuard, createConnectionGuard } from "./connection_guard.ts";
import { openSocketTable } from "./socket_table.ts";

export interface ConnectionParts {
  /** Absent where the system gives no means to watch connections. */
  readonly guard: ConnectionGuard | undefined;
  close(): void;
}

const HEADER_TIMEOUT_MS = 10_000;
const SILENT_TIMEOUT_MS = 75_000;
/** Longer than a stream of a session lasts; a call's lasts as long as its upstream may take. */
const STREAM_TIMEOUT_MS = 65 * 60_000;

/** Builds the guard and lets it look at the connections again and again until it is closed. */
export function buildConnectionParts(config: Config, metrics: Metrics, log: Log): ConnectionParts {
  const sockets = openSocketTable();
  if (sockets === undefined) {
    log("warn", "Connections are not bounded on this system: put a proxy in front", { os: Deno.build.os });
    return { guard: undefined, close: () => {} };
  }
  const maxConnections = Math.min(config.max_connections, Math.floor(mostOpenFiles() / 2));
  const longestCallMs = Math.max(0, ...Object.values(config.upstreams ?? {}).map((one) => one.timeout_ms));
  const guard = createConnectionGuard({
    sockets,
    limits: {
      maxConnections,
      maxPerAddress: Math.min(config.max_connections_per_address ?? maxConnections, maxConnections),
      headerTimeoutMs: HEADER_TIMEOUT_MS,
      silentTimeoutMs: SILENT_TIMEOUT_MS,
      streamTimeoutMs: Math.max(STREAM_TIMEOUT_MS, longestCallMs),
    },
    steadyMs: () => performance.now(),
    onClosed: (reason, count) => {
      metrics.closedConnections(reason, count);
      log("warn", "Connections were closed", { reason, count, open: guard.open() });
    },
  });
  let timer: ReturnType<typeof setTimeout>;
  const again = (afterMs: number) => void (timer = setTimeout(() => again(guard.sweep()), afterMs));
  again(0);
  return { guard, close: () => clearTimeout(timer) };
}

/** The system's own limit, which each connection, file and database connection counts against. */
function mostOpenFiles(): number {
  const limits = Deno.readTextFileSync("/proc/self/limits");
  const [, most] = /^Max open files\s+(\d+)/m.exec(limits) ?? [];
  return most === undefined ? Infinity : Number(most);
}
