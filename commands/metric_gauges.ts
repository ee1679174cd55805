/** What the metrics read when somebody asks for them: queues, ages and what the process uses. */
import process from "node:process";
import type { McpFront } from "../mcp/front.ts";
import type { MetricGauges } from "../telemetry/gauges.ts";
import type { AuditParts } from "./audit_parts.ts";
import type { GatewayParts } from "./gateway_parts.ts";
import type { ReplicaLease } from "./replica_lease.ts";
import type { StoreParts } from "./store_parts.ts";

export interface GaugedParts {
  readonly store: StoreParts;
  readonly audit: AuditParts;
  readonly gateway: GatewayParts;
  readonly lease: ReplicaLease;
  readonly front: McpFront;
}

/** Reads all of them at once. */
export function readGauges({ store, audit, gateway, lease, front }: GaugedParts): MetricGauges {
  return {
    auditQueue: audit.appender.queued(),
    refusedAttemptsQueue: audit.refusedAttempts.waiting(),
    callsInFlight: gateway.gateway.inFlight(),
    openStreams: front.openStreams(),
    revocationAgeSeconds: gateway.revocations.ageMs() / 1000,
    killSwitchesEngaged: gateway.revocations.engagedSwitches().length,
    leaseRemainingSeconds: lease.remainingMs() / 1000,
    settingsVersion: store.settings.version(),
    ...processUsage(),
  };
}

function processUsage() {
  const { user, system } = process.cpuUsage();
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: Deno.memoryUsage().rss,
    startedAt: performance.timeOrigin / 1000,
  };
}
