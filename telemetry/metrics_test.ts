import assert from "node:assert/strict";
import { readExposition, type ReadFamily } from "./exposition_fixture.ts";
import { createMetrics, type Metrics } from "./metrics.ts";

/** Counts and sets everything once. */
function used(): Metrics {
  const metrics = createMetrics();
  metrics.setInfo({ version: "1.2.3", runtime: "2.9.6", configDigest: "ab", database: "postgres" });
  metrics.setGauges(() => ({
    ...{
      auditQueue: 1,
      lateRecords: 3,
      lateRecordBytes: 4_096,
      refusedAttemptsQueue: 2,
      callsInFlight: 3,
      openStreams: 4,
      unreadAnswerBytes: 5_000,
      revocationAgeSeconds: 0.5,
    },
    ...{
      ...{ auditVerifiedAt: 13, auditBrokenChains: 14, auditUnsignedEvents: 15, auditUnsignedAgeSeconds: 16 },
      auditRefusedChains: 20,
      ...{ auditStreams: 18, auditUnindexedEvents: 19 },
      placeLagSeconds: new Map([["rekor", 17]]),
      leaseRemainingSeconds: 12,
      ...{ connections: 4, requestsReading: 1, requestsDeciding: 2, requestsForwarded: 3 },
      killSwitchesEngaged: 11,
      settingsVersion: 7,
      cpuSeconds: 8,
      residentBytes: 9,
      startedAt: 10,
    },
  }));
  metrics.decision("block", "policy");
  metrics.stage("policy", "block", 0.0002);
  metrics.upstream(0.01);
  metrics.outcome("ok");
  metrics.outcome("unknown", 3);
  metrics.revocationLookup("revoked");
  metrics.refusedAttempt("invalid_token");
  metrics.auditBatch(3, 0.002);
  metrics.auditFailure();
  metrics.lateRecords("lost", 2);
  metrics.auditGap();
  metrics.checkpointRefusal("forked");
  metrics.auditSearch("whole", 0.02);
  metrics.checkpointPlace("rekor");
  metrics.checkpointPush("rekor", "taken");
  metrics.overload("deciding");
  metrics.closedConnections("slow_headers", 2);
  metrics.fault("policy");
  metrics.databaseError("transaction");
  metrics.eventLoopLag(0.003);
  metrics.logLine("error");
  metrics.toolPins("differing", 2);
  metrics.unfitResult("withheld");
  return metrics;
}

const sample = (
  families: ReadonlyMap<string, ReadFamily>,
  name: string,
  labels: Record<string, string> = {},
) =>
  [...families.values()].flatMap((family) => family.samples)
    .find((one) => one.name === name && JSON.stringify(one.labels) === JSON.stringify(labels))?.value;

Deno.test("render() is an exposition that reads back, with every count where it belongs", () => {
  const families = readExposition(used().render());
  const expected: readonly [string, Record<string, string>, number][] = [
    ["intentgate_build_info", { version: "1.2.3", runtime: "2.9.6" }, 1],
    ["intentgate_config_info", { digest: "ab", database: "postgres" }, 1],
    ["intentgate_decisions_total", { decision: "block", check: "policy" }, 1],
    ["intentgate_decisions_total", { decision: "allow", check: "none" }, 0],
    ["intentgate_check_seconds_sum", { check: "policy", verdict: "block" }, 0.0002],
    ["intentgate_upstream_seconds_count", {}, 1],
    ["intentgate_outcomes_total", { outcome: "unknown" }, 3],
    ["intentgate_revocation_lookups_total", { result: "revoked" }, 1],
    ["intentgate_refused_attempts_total", { code: "invalid_token" }, 1],
    ["intentgate_audit_batch_events_sum", {}, 3],
    ["intentgate_audit_commit_seconds_count", {}, 1],
    ["intentgate_audit_failures_total", {}, 1],
    ["intentgate_faults_total", { part: "policy" }, 1],
    ["intentgate_database_errors_total", { operation: "transaction" }, 1],
    ["intentgate_event_loop_lag_seconds_sum", {}, 0.003],
    ["intentgate_log_lines_total", { level: "error" }, 1],
    ["intentgate_audit_queue_events", {}, 1],
    ["intentgate_refused_attempts_queue_events", {}, 2],
    ["intentgate_late_queue_events", {}, 3],
    ["intentgate_late_queue_bytes", {}, 4_096],
    ["intentgate_late_records_total", { result: "lost" }, 2],
    ["intentgate_late_records_total", { result: "kept" }, 0],
    ["intentgate_audit_gaps_total", {}, 1],
    ["intentgate_calls_in_flight", {}, 3],
    ["intentgate_open_streams", {}, 4],
    ["intentgate_unread_answer_bytes", {}, 5_000],
    ["intentgate_revocation_age_seconds", {}, 0.5],
    ["intentgate_kill_switches_engaged", {}, 11],
    ["intentgate_lease_remaining_seconds", {}, 12],
    ["intentgate_audit_verify_last_ok_timestamp_seconds", {}, 13],
    ["intentgate_audit_broken_chains", {}, 14],
    ["intentgate_audit_refused_chains", {}, 20],
    ["intentgate_audit_unsigned_events", {}, 15],
    ["intentgate_audit_unsigned_age_seconds", {}, 16],
    ["intentgate_checkpoint_refusals_total", { code: "forked" }, 1],
    ["intentgate_audit_streams", {}, 18],
    ["intentgate_audit_unindexed_events", {}, 19],
    ["intentgate_audit_search_seconds_count", { answer: "whole" }, 1],
    ["intentgate_checkpoint_pushes_total", { place: "rekor", result: "taken" }, 1],
    ["intentgate_checkpoint_pushes_total", { place: "rekor", result: "conflict" }, 0],
    ["intentgate_checkpoint_place_lag_seconds", { place: "rekor" }, 17],
    ["intentgate_settings_version", {}, 7],
    ["intentgate_unfit_results_total", { answer: "withheld" }, 1],
    ["intentgate_tool_pins_total", { change: "differing" }, 2],
    ["intentgate_overload_refusals_total", { reason: "deciding" }, 1],
    ["intentgate_closed_connections_total", { reason: "slow_headers" }, 2],
    ["intentgate_connections", {}, 4],
    ["intentgate_requests_reading", {}, 1],
    ["intentgate_requests_deciding", {}, 2],
    ["intentgate_requests_forwarded", {}, 3],
    ["process_cpu_seconds_total", {}, 8],
    ["process_resident_memory_bytes", {}, 9],
    ["process_start_time_seconds", {}, 10],
  ];
  for (const [name, labels, value] of expected) {
    assert.equal(sample(families, name, labels), value, `${name} ${JSON.stringify(labels)}`);
  }
  const proven = new Set(expected.map(([name]) => name.replace(/_(sum|count)$/, "")));
  assert.deepEqual(
    [...families.keys()].filter((name) => !proven.has(name)),
    [],
    "every metric is looked at here",
  );
});

Deno.test("every metric says what it is, and is named as Prometheus wants it", () => {
  /** Numbers of things that have no unit. */
  const unitless = [
    "intentgate_calls_in_flight",
    "intentgate_open_streams",
    "intentgate_connections",
    "intentgate_requests_reading",
    "intentgate_requests_deciding",
    "intentgate_requests_forwarded",
    "intentgate_settings_version",
    "intentgate_kill_switches_engaged",
    "intentgate_audit_broken_chains",
    "intentgate_audit_refused_chains",
    "intentgate_audit_streams",
  ];
  for (const { name, help, type, labels = {} } of createMetrics().families) {
    assert.match(name, /^(intentgate|process)(_[a-z]+)+$/);
    assert.match(help, /^[A-Z].{5,150}\.$/, `help of ${name}`);
    assert.equal(
      name.endsWith("_total"),
      type === "counter",
      `${name}: counters, and only they, end with _total`,
    );
    assert.doesNotMatch(name, /_(count|sum|bucket)$/);
    assert.doesNotMatch(name, /milli|micro|_ms\b|_kb\b|_percent/, `${name} is in base units`);
    if (type === "histogram") assert.match(name, /_(seconds|events)$/);
    if (type === "gauge" && !unitless.includes(name)) assert.match(name, /_(seconds|bytes|events|info)$/);
    for (const [label, meaning] of Object.entries(labels)) {
      assert.match(label, /^[a-z]+(_[a-z]+)*$/);
      assert.notEqual(meaning, "");
      assert.doesNotMatch(
        label,
        /tool|agent|tenant|token|user|upstream|ip/,
        `${name} would grow with its users`,
      );
    }
  }
});

Deno.test("render() knows all metrics before anything happened, and a silent one has no invented sample", () => {
  const before = readExposition(createMetrics().render());
  const after = readExposition(used().render());
  assert.deepEqual([...before.keys()], [...after.keys()]);
  assert.equal(sample(before, "intentgate_audit_failures_total"), 0);
  assert.equal(sample(before, "intentgate_outcomes_total", { outcome: "unknown" }), 0);
  assert.deepEqual(before.get("intentgate_audit_queue_events")?.samples, []);
  assert.deepEqual(before.get("intentgate_build_info")?.samples, []);
});

Deno.test("render() reads all gauges of one scrape at the same moment, and an age that is not known is +Inf", () => {
  const metrics = createMetrics();
  let readings = 0;
  metrics.setGauges(() => ({
    ...{
      auditQueue: ++readings,
      ...{ lateRecords: 0, lateRecordBytes: 0 },
      refusedAttemptsQueue: 0,
      callsInFlight: 0,
      openStreams: 0,
      unreadAnswerBytes: 0,
      settingsVersion: 1,
    },
    ...{
      revocationAgeSeconds: Infinity,
      auditVerifiedAt: 0,
      auditBrokenChains: 0,
      auditRefusedChains: 0,
      auditUnsignedEvents: 0,
      auditUnsignedAgeSeconds: 0,
      ...{ auditStreams: 0, auditUnindexedEvents: 0 },
      placeLagSeconds: new Map(),
      leaseRemainingSeconds: -3,
      ...{ connections: 0, requestsReading: 0, requestsDeciding: 0, requestsForwarded: 0 },
      killSwitchesEngaged: 0,
      cpuSeconds: 1,
      residentBytes: 1,
      startedAt: 1,
    },
  }));
  assert.equal(sample(readExposition(metrics.render()), "intentgate_revocation_age_seconds"), Infinity);
  assert.equal(sample(readExposition(metrics.render()), "intentgate_lease_remaining_seconds"), -3);
  assert.equal(readings, 2);
});

Deno.test("refusedAttempt() lets nobody invent codes", () => {
  const metrics = createMetrics();
  for (const code of ["invalid_token", "revocations_stale", "invented", "constructor"]) {
    metrics.refusedAttempt(code);
  }
  const families = readExposition(metrics.render());
  const of = (code: string) => sample(families, "intentgate_refused_attempts_total", { code });
  assert.deepEqual([of("invalid_token"), of("revocations_stale"), of("other"), of("invented")], [
    1,
    1,
    2,
    undefined,
  ]);
});
