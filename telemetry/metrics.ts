/**
 * Every metric by name, in one place. No label names a tool, an agent, a tenant or a token: their number is not ours to
 * bound. Children are bound once so that counting on the path of a call allocates nothing.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";

const FAST_SECONDS = [0.00005, 0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5];
const SLOW_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256];

export interface Metrics {
  /** One decision: `allow`, `block` or `escalate`, and the check that ended it (`none` for an allow). */
  decision(decision: string, check: string): void;
  stage(check: string, verdict: string, seconds: number): void;
  upstream(seconds: number): void;
  revocationLookup(result: "clear" | "revoked" | "stale"): void;
  auditBatch(size: number, seconds: number): void;
  auditFailure(): void;
  setGauges(read: () => MetricGauges): void;
  /** Prometheus text exposition. */
  render(): Promise<string>;
  readonly contentType: string;
}

export interface MetricGauges {
  readonly auditQueue: number;
  readonly callsInFlight: number;
  readonly revocationAgeSeconds: number;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const decisions = new Counter({
    ...{ name: "intentgate_decisions_total", help: "Decisions by check and verdict." },
    ...{ labelNames: ["decision", "check"], registers },
  });
  const stages = new Histogram({
    ...{ name: "intentgate_check_seconds", help: "Time of one check.", buckets: FAST_SECONDS },
    ...{ labelNames: ["check", "verdict"], registers },
  });
  const upstreams = new Histogram({
    ...{ name: "intentgate_upstream_seconds", help: "Time of one exchange with an upstream." },
    ...{ buckets: SLOW_SECONDS, registers },
  });
  const lookups = new Counter({
    ...{ name: "intentgate_revocation_lookups_total", help: "Revocation lookups by result." },
    ...{ labelNames: ["result"], registers },
  });
  const batchSize = new Histogram({
    ...{ name: "intentgate_audit_batch_events", help: "Events per audit batch.", buckets: BATCH_SIZES },
    registers,
  });
  const commit = new Histogram({
    ...{ name: "intentgate_audit_commit_seconds", help: "Time until an audit batch was durable." },
    ...{ buckets: SLOW_SECONDS, registers },
  });
  const failures = new Counter({
    ...{
      name: "intentgate_audit_failures_total",
      help: "Decisions refused because they could not be recorded.",
    },
    registers,
  });
  return {
    decision: (decision, check) => decisions.inc({ decision, check }),
    stage: (check, verdict, seconds) => stages.observe({ check, verdict }, seconds),
    upstream: (seconds) => upstreams.observe(seconds),
    revocationLookup: (result) => lookups.inc({ result }),
    auditBatch: (size, seconds) => {
      batchSize.observe(size);
      commit.observe(seconds);
    },
    auditFailure: () => failures.inc(),
    setGauges: (read) => addGauges(registers, read),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function addGauges(registers: Registry[], read: () => MetricGauges): void {
  const gauge = (name: string, help: string, value: (gauges: MetricGauges) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value(read()));
      },
    });
  gauge("intentgate_audit_queue_events", "Events that wait for a batch.", (gauges) => gauges.auditQueue);
  gauge(
    "intentgate_calls_in_flight",
    "Allowed calls without an outcome yet.",
    (gauges) => gauges.callsInFlight,
  );
  gauge(
    "intentgate_revocation_age_seconds",
    "Time since the revocation feed was last read.",
    (gauges) => gauges.revocationAgeSeconds,
  );
}
