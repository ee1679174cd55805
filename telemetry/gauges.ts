/** What is read when somebody asks, instead of being counted. */
import type { MetricFamily, MetricText } from "./instruments.ts";

/** One reading of everything that goes up and down. */
export interface MetricGauges {
  readonly auditQueue: number;
  readonly refusedAttemptsQueue: number;
  readonly lateRecords: number;
  readonly lateRecordBytes: number;
  readonly callsInFlight: number;
  readonly openStreams: number;
  readonly unreadAnswerBytes: number;
  readonly connections: number;
  readonly requestsReading: number;
  readonly requestsDeciding: number;
  readonly requestsForwarded: number;
  readonly revocationAgeSeconds: number;
  readonly killSwitchesEngaged: number;
  /** Epoch seconds, 0 before the first. */
  readonly auditVerifiedAt: number;
  readonly auditBrokenChains: number;
  readonly auditRefusedChains: number;
  readonly auditUnsignedEvents: number;
  readonly auditUnsignedAgeSeconds: number;
  readonly auditStreams: number;
  readonly auditUnindexedEvents: number;
  /** By checkpoint place. */
  readonly placeLagSeconds: ReadonlyMap<string, number>;
  readonly leaseRemainingSeconds: number;
  readonly settingsVersion: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Seconds since the epoch. */
  readonly startedAt: number;
}

interface GaugeText extends MetricText {
  readonly type?: "counter" | "gauge";
  readonly value: (gauges: MetricGauges) => number;
}

export const GAUGES: readonly GaugeText[] = [
  {
    name: "intentgate_calls_in_flight",
    help: "Allowed calls without an outcome yet.",
    value: (gauges) => gauges.callsInFlight,
  },
  {
    name: "intentgate_open_streams",
    help: "Streams of agents that are open.",
    value: (gauges) => gauges.openStreams,
  },
  {
    name: "intentgate_unread_answer_bytes",
    help: "Bytes of answers that wait for clients that read slowly, besides the first 64 KiB of each.",
    value: (gauges) => gauges.unreadAnswerBytes,
  },
  {
    name: "intentgate_connections",
    help:
      "Connections to the listeners; 0 where they cannot be counted (other systems than Linux with glibc).",
    value: (gauges) => gauges.connections,
  },
  {
    name: "intentgate_requests_reading",
    help: "Requests of agents whose body is on its way.",
    value: (gauges) => gauges.requestsReading,
  },
  {
    name: "intentgate_requests_deciding",
    help: "Requests of agents that are being decided (at most max_concurrent_decisions) or wait for that.",
    value: (gauges) => gauges.requestsDeciding,
  },
  {
    name: "intentgate_requests_forwarded",
    help: "Requests of agents that wait for an upstream; at its max_concurrent others are refused.",
    value: (gauges) => gauges.requestsForwarded,
  },
  {
    name: "intentgate_audit_queue_events",
    help: "Events that wait for a batch; 20,000 may, then calls are refused.",
    value: (gauges) => gauges.auditQueue,
  },
  {
    name: "intentgate_refused_attempts_queue_events",
    help: "Kinds of refused attempts, each with its count, that wait to be recorded.",
    value: (gauges) => gauges.refusedAttemptsQueue,
  },
  {
    name: "intentgate_late_queue_events",
    help: "Records in the data folder that wait for the database.",
    value: (gauges) => gauges.lateRecords,
  },
  {
    name: "intentgate_late_queue_bytes",
    help: "Bytes of them; at late_records_max_bytes further ones are lost and counted.",
    value: (gauges) => gauges.lateRecordBytes,
  },
  {
    name: "intentgate_audit_verify_last_ok_timestamp_seconds",
    help: "When this replica last found all audit chains whole, since the epoch; 0 before the first time.",
    value: (gauges) => gauges.auditVerifiedAt,
  },
  {
    name: "intentgate_audit_broken_chains",
    help: "Audit chains that the last verification in the background found broken.",
    value: (gauges) => gauges.auditBrokenChains,
  },
  {
    name: "intentgate_audit_refused_chains",
    help:
      "Audit chains whose checkpoint this replica refuses to sign: the record is not what was signed before.",
    value: (gauges) => gauges.auditRefusedChains,
  },
  {
    name: "intentgate_audit_unsigned_events",
    help: "Events of all chains that no signed checkpoint covers yet.",
    value: (gauges) => gauges.auditUnsignedEvents,
  },
  {
    name: "intentgate_audit_unsigned_age_seconds",
    help: "Age of the oldest of them.",
    value: (gauges) => gauges.auditUnsignedAgeSeconds,
  },
  {
    name: "intentgate_audit_streams",
    help: "Streams of audit events that operators follow.",
    value: (gauges) => gauges.auditStreams,
  },
  {
    name: "intentgate_audit_unindexed_events",
    help: "Events of all chains that the search index should have by now; searches look at them one by one.",
    value: (gauges) => gauges.auditUnindexedEvents,
  },
  {
    name: "intentgate_revocation_age_seconds",
    help: "Time since the revocation feed was last read; above revocation_max_age_ms every call is refused.",
    value: (gauges) => gauges.revocationAgeSeconds,
  },
  {
    name: "intentgate_kill_switches_engaged",
    help: "Kill switches that stop calls on this replica.",
    value: (gauges) => gauges.killSwitchesEngaged,
  },
  {
    name: "intentgate_lease_remaining_seconds",
    help: "Time until the replica's lease runs out; below 0 it is not ready, and others write its outcomes.",
    value: (gauges) => gauges.leaseRemainingSeconds,
  },
  {
    name: "intentgate_settings_version",
    help: "Version of the settings that this replica decides by.",
    value: (gauges) => gauges.settingsVersion,
  },
  {
    name: "process_cpu_seconds_total",
    help: "CPU time of the process, user and system, all threads: the embedded database's too.",
    type: "counter",
    value: (gauges) => gauges.cpuSeconds,
  },
  {
    name: "process_resident_memory_bytes",
    help: "Memory of the process that is in RAM.",
    value: (gauges) => gauges.residentBytes,
  },
  {
    name: "process_start_time_seconds",
    help: "When the process started, since the epoch.",
    value: (gauges) => gauges.startedAt,
  },
];

/** A gauge that has no sample while nothing can be read. */
export function gaugeFamily(
  { value, type = "gauge", ...text }: GaugeText,
  read: () => MetricGauges | undefined,
): MetricFamily {
  return {
    ...text,
    type,
    samples: () => {
      const gauges = read();
      return gauges === undefined ? [] : [{ labels: [], value: value(gauges) }];
    },
  };
}

/** For how long checkpoint places have been waiting, a sample for each. */
export function placeLagFamily(read: () => MetricGauges | undefined): MetricFamily {
  return {
    name: "intentgate_checkpoint_place_lag_seconds",
    help: "For how long a place has been without a checkpoint that it should have by now, of all chains.",
    labels: { place: "its name in the configuration" },
    type: "gauge",
    samples: () =>
      [...read()?.placeLagSeconds ?? []].map(([place, value]) => ({ labels: [["place", place]], value })),
  };
}

/** A gauge that is always 1 and says what it has to say in its labels. */
export function infoFamily(text: MetricText, values: () => readonly string[] | undefined): MetricFamily {
  const names = Object.keys(text.labels ?? {});
  return {
    ...text,
    type: "gauge",
    samples: () => {
      const known = values();
      return known === undefined
        ? []
        : [{ labels: names.map((name, index) => [name, known[index] ?? ""]), value: 1 }];
    },
  };
}
