/**
 * Every metric by name, in one place. No label names a tool, an agent, a tenant or a token: their number is not ours to
 * bound.
 */
import type { EndingKind } from "../core/call.ts";
import { GATEWAY_ERRORS } from "../core/errors.ts";
import { OPERATOR_ATTEMPT_CODES, UNAUTHENTICATED_CODES } from "../core/refusal_codes.ts";
import { gaugeFamily, GAUGES, infoFamily, type MetricGauges, placeLagFamily } from "./gauges.ts";
import {
  Children,
  Count,
  countSamples,
  Distribution,
  distributionSamples,
  exposition,
  type MetricFamily,
  type MetricText,
} from "./instruments.ts";

const FAST_SECONDS = [0.00005, 0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5];
const SLOW_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const LAG_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** What may stand in the label `code` of refused attempts; everything else is `other`. */
const ATTEMPT_CODES: ReadonlySet<string> = new Set([
  ...UNAUTHENTICATED_CODES,
  ...OPERATOR_ATTEMPT_CODES,
  ...Object.keys(GATEWAY_ERRORS),
]);
const OUTCOMES: readonly EndingKind[] = ["ok", "tool_error", "upstream_failed", "unknown", "not_forwarded"];

const OVERLOADS = [
  ...["reading", "deciding", "large_bodies", "streams"],
  ...["upstream_busy", "upstream_unavailable"],
];

export interface Metrics {
  /** One decision: `allow`, `block` or `escalate`, and the check that ended it (`none` for an allow). */
  decision(decision: string, check: string): void;
  stage(check: string, verdict: string, seconds: number): void;
  upstream(seconds: number): void;
  outcome(kind: EndingKind, count?: number): void;
  revocationLookup(result: "clear" | "revoked" | "stale"): void;
  refusedAttempt(code: string): void;
  /** A request or call refused because too much is under way; `reason` names the bound. */
  overload(reason: string): void;
  auditBatch(size: number, seconds: number): void;
  auditFailure(): void;
  /** One search of the audit record: `whole`, or `partial` when it had looked for as long as it may. */
  auditSearch(answer: "whole" | "partial", seconds: number): void;
  /** Late records: `kept` in the data folder, then `recorded` or `known` to the chain; or `lost`. */
  lateRecords(result: "kept" | "recorded" | "known" | "lost", count?: number): void;
  /** An event that says how many are missing entered a chain. */
  auditGap(): void;
  /** A checkpoint that was not signed, by why (`SignRefusal`). */
  checkpointRefusal(code: string): void;
  /** A configured checkpoint place: its pushes are counted from 0. */
  checkpointPlace(place: string): void;
  /** A push to it: `taken`, `failed` or `conflict`. */
  checkpointPush(place: string, result: string): void;
  /** A structured result that does not fit its schema: `reported` or `withheld`. */
  unfitResult(answer: string): void;
  /** What readings changed in the pins of tools: `trusted`, `differing`, `settled` or `missing`. */
  toolPins(change: string, count: number): void;
  /** A part of the path of a call threw or overran; `part` is a check's name or one of the gateway's own parts. */
  fault(part: string): void;
  databaseError(operation: "query" | "transaction"): void;
  /** Connections ended because they were idle, slow or too many. */
  closedConnections(reason: string, count: number): void;
  eventLoopLag(seconds: number): void;
  logLine(level: string): void;
  setInfo(info: MetricInfo): void;
  setGauges(read: () => MetricGauges): void;
  /** Prometheus text exposition. */
  render(): string;
  readonly contentType: string;
  /** What each metric is, for the reference page. */
  readonly families: readonly MetricFamily[];
}

/** What does not change while the process runs. */
export interface MetricInfo {
  readonly version: string;
  readonly runtime: string;
  readonly configDigest: string;
  readonly database: string;
}

/** Makes the metrics of one process. */
export function createMetrics(): Metrics {
  const families: MetricFamily[] = [];
  const state: { info?: MetricInfo; gauges?: () => MetricGauges } = {};
  const counter = (text: MetricText) => {
    const children = new Children(() => new Count());
    const names = Object.keys(text.labels ?? {});
    families.push({ ...text, type: "counter", samples: () => countSamples(names, children) });
    return names.length === 0 ? children.declare([]) : children;
  };
  const histogram = (text: MetricText, bounds: readonly number[]) => {
    const children = new Children(() => new Distribution(bounds));
    const names = Object.keys(text.labels ?? {});
    families.push({ ...text, type: "histogram", samples: () => distributionSamples(names, children) });
    return names.length === 0 ? children.declare([]) : children;
  };
  families.push(...infoFamilies(() => state.info));
  const counting = {
    ...{ ...callMetrics(counter, histogram), ...processMetrics(counter, histogram) },
    ...placeMetrics(counter),
  };
  // One reading serves all gauges of one scrape.
  let reading: MetricGauges | undefined;
  families.push(...GAUGES.map((gauge) => gaugeFamily(gauge, () => reading)));
  families.push(placeLagFamily(() => reading));
  return {
    ...counting,
    setInfo: (info) => void (state.info = info),
    setGauges: (read) => void (state.gauges = read),
    render: () => {
      reading = state.gauges?.();
      return exposition(families);
    },
    contentType: "text/plain; version=0.0.4; charset=utf-8",
    families,
  };
}

type MakeCounter = (text: MetricText) => Children<Count>;
type MakeHistogram = (text: MetricText, bounds: readonly number[]) => Children<Distribution>;

function infoFamilies(info: () => MetricInfo | undefined): readonly MetricFamily[] {
  return [
    infoFamily({
      name: "intentgate_build_info",
      help: "Always 1; says which build runs.",
      labels: { version: "version of IntentGate", runtime: "version of Deno" },
    }, () => info() && [info()?.version ?? "", info()?.runtime ?? ""]),
    infoFamily({
      name: "intentgate_config_info",
      help: "Always 1; replicas of one installation show the same digest.",
      labels: {
        digest: "SHA-256 of the configuration, as in every decision event",
        database: "`embedded` or `postgres`",
      },
    }, () => info() && [info()?.configDigest ?? "", info()?.database ?? ""]),
  ];
}

/** What the path of a call counts. */
function callMetrics(counter: MakeCounter, histogram: MakeHistogram) {
  const decisions = counter({
    name: "intentgate_decisions_total",
    help: "Decisions.",
    labels: {
      decision: "`allow`, `block` or `escalate`",
      check: "the check that ended it, `gateway` for a fault, `none` for an allow",
    },
  }).declare(["allow", "none"], ["block", "gateway"]);
  const stages = histogram({
    name: "intentgate_check_seconds",
    help: "Time of one check.",
    labels: { check: "name of the check", verdict: "`pass`, `skip`, `block`, `escalate` or `fault`" },
  }, FAST_SECONDS);
  const attempts = counter({
    name: "intentgate_refused_attempts_total",
    help: "Requests refused before a token verified.",
    labels: { code: "code of the refusal, `other` for one of an external check" },
  }).declare(...[...UNAUTHENTICATED_CODES].map((code) => [code] as const));
  const overloads = counter({
    name: "intentgate_overload_refusals_total",
    help: "Requests and calls refused because too much was under way, or an upstream could not be reached.",
    labels: {
      reason:
        "the bound: `reading`, `deciding`, `large_bodies`, `streams`, `upstream_busy`, `upstream_unavailable`",
    },
  }).declare(...OVERLOADS.map((reason) => [reason] as const));
  const lookups = counter({
    name: "intentgate_revocation_lookups_total",
    help: "Revocation lookups.",
    labels: { result: "`clear`, `revoked`, or `stale` when the feed was too old to ask" },
  }).declare(["clear"], ["revoked"], ["stale"]);
  const upstream = histogram({
    name: "intentgate_upstream_seconds",
    help: "Time of one exchange with an upstream.",
  }, SLOW_SECONDS);
  const outcomes = counter({
    name: "intentgate_outcomes_total",
    help: "Outcomes recorded for allowed calls, also those of ended replicas that this one wrote.",
    labels: { outcome: "`ok`, `tool_error`, `upstream_failed`, `unknown` or `not_forwarded`" },
  }).declare(...OUTCOMES.map((kind) => [kind] as const));
  const faults = counter({
    name: "intentgate_faults_total",
    help: "Faults on the path of a call, each of which blocked it or left its outcome to the sweeper.",
    labels: { part: "the check that failed, or `audit`, `catalogue`, `lists`, `outcome`" },
  }).declare(["audit"], ["catalogue"], ["outcome"]);
  return {
    decision: (decision: string, check: string) => decisions.at(decision, check).increase(),
    stage: (check: string, verdict: string, seconds: number) => stages.at(check, verdict).observe(seconds),
    refusedAttempt: (code: string) => attempts.at(ATTEMPT_CODES.has(code) ? code : "other").increase(),
    overload: (reason: string) => overloads.at(reason).increase(),
    ...toolMetrics(counter),
    revocationLookup: (result: string) => lookups.at(result).increase(),
    upstream: (seconds: number) => upstream.at().observe(seconds),
    outcome: (kind: EndingKind, count = 1) => outcomes.at(kind).increase(count),
    fault: (part: string) => faults.at(part).increase(),
  };
}

/** What is counted about the upstreams' tools. */
function toolMetrics(counter: MakeCounter) {
  const unfit = counter({
    name: "intentgate_unfit_results_total",
    help: "Structured results that do not fit the tool's output schema.",
    labels: { answer: "`reported`: the agent got it, or `withheld`" },
  }).declare(["reported"], ["withheld"]);
  const pins = counter({
    name: "intentgate_tool_pins_total",
    help: "What readings of the upstreams' tools changed in their pins, by the replica that recorded it.",
    labels: {
      change:
        "`trusted`, `differing` (a changed or new tool), `settled` (the pinned definition again), `missing`",
    },
  }).declare(...["trusted", "differing", "settled", "missing"].map((change) => [change] as const));
  return {
    unfitResult: (answer: string) => unfit.at(answer).increase(),
    toolPins: (change: string, count: number) => pins.at(change).increase(count),
  };
}

/** What the rest of the process counts. */
function processMetrics(counter: MakeCounter, histogram: MakeHistogram) {
  const batchSize = histogram({
    name: "intentgate_audit_batch_events",
    help: "Events per audit batch.",
  }, BATCH_SIZES);
  const commit = histogram({
    name: "intentgate_audit_commit_seconds",
    help: "Time until an audit batch was durable.",
  }, SLOW_SECONDS);
  const failures = counter({
    name: "intentgate_audit_failures_total",
    help: "Calls refused because their decision could not be recorded.",
  });
  const refusals = counter({
    name: "intentgate_checkpoint_refusals_total",
    help:
      "Chains whose checkpoint this replica began to refuse to sign: the record is not what was signed before.",
    labels: { code: "`rolled_back`, `forked`, `tiles_damaged`, `events_missing` or `unreadable`" },
  }).declare(["rolled_back"], ["forked"], ["tiles_damaged"], ["events_missing"], ["unreadable"]);
  const databaseErrors = counter({
    name: "intentgate_database_errors_total",
    help: "Failures of the database: refused, lost or over the deadline.",
    labels: { operation: "`query` or `transaction`" },
  }).declare(["query"], ["transaction"]);
  const closed = counter({
    name: "intentgate_closed_connections_total",
    help: "Connections to the listeners that the gateway ended.",
    labels: {
      reason: "`slow_headers`, `silent`, `too_many`, `too_many_of_address`, `unread` or `unread_full`",
    },
  }).declare(["slow_headers"], ["silent"], ["too_many"], ["too_many_of_address"], ["unread"], [
    "unread_full",
  ]);
  const lag = histogram({
    name: "intentgate_event_loop_lag_seconds",
    help: "How late a timer of 100 ms ran.",
  }, LAG_SECONDS);
  const logLines = counter({
    name: "intentgate_log_lines_total",
    help: "Log lines, also those below the level that is written.",
    labels: { level: "`debug`, `info`, `warn` or `error`" },
  }).declare(["debug"], ["info"], ["warn"], ["error"]);
  return {
    auditBatch: (size: number, seconds: number) => {
      batchSize.at().observe(size);
      commit.at().observe(seconds);
    },
    auditFailure: () => failures.at().increase(),
    ...searchMetrics(histogram),
    checkpointRefusal: (code: string) => refusals.at(code).increase(),
    ...lateMetrics(counter),
    databaseError: (operation: string) => databaseErrors.at(operation).increase(),
    closedConnections: (reason: string, count: number) => closed.at(reason).increase(count),
    eventLoopLag: (seconds: number) => lag.at().observe(seconds),
    logLine: (level: string) => logLines.at(level).increase(),
  };
}

/** What is counted about records that the database did not take in time. */
function lateMetrics(counter: MakeCounter) {
  const late = counter({
    name: "intentgate_late_records_total",
    help: "Records that the database did not take in time.",
    labels: {
      result:
        "`kept` in the data folder; later `recorded`, or `known` to the chain already; `lost`: no room, damaged or refused",
    },
  }).declare(["kept"], ["recorded"], ["known"], ["lost"]);
  const gaps = counter({
    name: "intentgate_audit_gaps_total",
    help: "Events audit.gap recorded: each says how many events are missing from its chain.",
  });
  return {
    lateRecords: (result: string, count = 1) => late.at(result).increase(count),
    auditGap: () => gaps.at().increase(),
  };
}

/** What is counted about searches of the audit record. */
function searchMetrics(histogram: MakeHistogram) {
  const searches = histogram({
    name: "intentgate_audit_search_seconds",
    help: "Time of one search of the audit record.",
    labels: { answer: "`whole`, or `partial` when it had looked for as long as it may" },
  }, SLOW_SECONDS).declare(["whole"], ["partial"]);
  return {
    auditSearch: (answer: string, seconds: number) => searches.at(answer).observe(seconds),
  };
}

const PUSH_RESULTS = ["taken", "failed", "conflict"];

/** What is counted about the places that checkpoints are pushed to; their number is configured and small. */
function placeMetrics(counter: MakeCounter) {
  const pushes = counter({
    name: "intentgate_checkpoint_pushes_total",
    help: "Checkpoints that this replica pushed to places outside.",
    labels: {
      place: "its name in the configuration",
      result: "`taken`, `failed`, or `conflict`: it holds what the log does not continue",
    },
  });
  return {
    checkpointPlace: (place: string) =>
      void pushes.declare(...PUSH_RESULTS.map((result) => [place, result] as const)),
    checkpointPush: (place: string, result: string) => pushes.at(place, result).increase(),
  };
}
