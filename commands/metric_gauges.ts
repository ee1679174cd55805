/** What the metrics read when somebody asks for them: queues, ages and what the process uses. */
import process from "node:process";
import type { McpFront } from "../mcp/front.ts";
import type { MetricGauges } from "../telemetry/gauges.ts";
import type { AuditParts } from "./audit_parts.ts";
import type { ConnectionParts } from "./connection_parts.ts";
import type { GatewayParts } from "./gateway_parts.ts";
import type { RecordWatch } from "./record_watch.ts";
import type { ReplicaLease } from "./replica_lease.ts";
import type { SearchParts } from "./search_parts.ts";
import type { StoreParts } from "./store_parts.ts";

export interface GaugedParts {
  readonly store: StoreParts;
  readonly audit: AuditParts;
  readonly gateway: GatewayParts;
  readonly search: SearchParts;
  readonly watch: RecordWatch;
  readonly lease: ReplicaLease;
  readonly front: McpFront;
  readonly connections: ConnectionParts;
}

/** Reads all of them at once. */
export function readGauges(
  { store, audit, gateway, search, watch, lease, front, connections }: GaugedParts,
): MetricGauges {
  return {
    auditQueue: audit.appender.queued(),
    refusedAttemptsQueue: audit.refusedAttempts.waiting(),
    ...lateOf(audit),
    callsInFlight: gateway.gateway.inFlight(),
    openStreams: front.openStreams(),
    unreadAnswerBytes: front.unreadBytes(),
    ...requestsOf(front),
    connections: connections.guard?.open() ?? 0,
    revocationAgeSeconds: gateway.revocations.ageMs() / 1000,
    killSwitchesEngaged: gateway.revocations.engagedSwitches().length,
    ...watch.gauges(),
    ...search.gauges(),
    leaseRemainingSeconds: lease.remainingMs() / 1000,
    settingsVersion: store.settings.version(),
    ...processUsage(),
  };
}

function lateOf({ late }: AuditParts) {
  const { records, bytes } = late.waiting();
  return { lateRecords: records, lateRecordBytes: bytes };
}

function requestsOf(front: McpFront) {
  const { reading, deciding, forwarded } = front.underWay();
  return { requestsReading: reading, requestsDeciding: deciding, requestsForwarded: forwarded };
}

function processUsage() {
  const { user, system } = process.cpuUsage();
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: Deno.memoryUsage().rss,
    startedAt: performance.timeOrigin / 1000,
  };
}
