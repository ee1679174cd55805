/**
 * Everything that writes into the audit chains: group commit, outcomes, refused attempts, late records, the sweeper,
 * erasures that go on.
 */
import { type Appender, createAppender } from "../audit/appender.ts";
import { createErasures } from "../audit/erasures.ts";
import type { EventSource } from "../audit/event.ts";
import type { LateRecords } from "../audit/late_port.ts";
import { createRefusedAttempts, type RefusedAttempts } from "../audit/refused_attempts.ts";
import { createSweeper } from "../audit/sweeper.ts";
import type { AuditEntry } from "../core/audit_entry.ts";
import { createDeadlines } from "../gateway/deadlines.ts";
import { createOutcomes } from "../gateway/outcomes.ts";
import { createRecorder } from "../gateway/recorder.ts";
import { isRefusedStatement } from "../store/refused_statement.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { buildLateRecords, type LateRecordFolder } from "./late_record_parts.ts";
import { newId, randomBytes } from "./random.ts";
import type { StoreParts } from "./store_parts.ts";

export interface AuditPartsOptions {
  readonly store: StoreParts;
  readonly source: EventSource;
  readonly lateFolder: LateRecordFolder;
  readonly metrics: Metrics;
  readonly log: Log;
}

export type AuditParts = ReturnType<typeof buildAuditParts>;

/** The embedded database is slower per event: smaller batches keep each well inside its deadline. */
const MAX_BATCH = { embedded: 64, postgres: 256 } as const;

/** Erasures that one round goes on with, one after the other. */
const ERASURES_AT_ONCE = 100;

/** As long as a lease lasts: in that time every replica that lives has renewed it. */
const SWEEP_GRACE_MS = 15_000;

/** Builds them. Late records, the sweeper and erasures do not run until they are started. */
export function buildAuditParts({ store, source, lateFolder, metrics, log }: AuditPartsOptions) {
  const onError = (what: string) => (error: unknown) => log("error", what, { error: errorText(error) });
  const nowMs = () => Date.now();
  const settingsVersion = () => store.settings.version();
  const { appender, isAway } = buildAppender(store, metrics);
  const late = buildLateRecords({
    ...{ folder: lateFolder, appender, isAway, source, settingsVersion, metrics, log },
  });
  const event = { appender, late, source, newId, nowMs, randomSalt: () => randomBytes(32) };
  const outcomes = createOutcomes({
    ...event,
    onError: onError("Cannot record an outcome yet"),
    onRecorded: metrics.outcome,
  });
  const attempts = createRefusedAttempts({
    ...{ source, newId, settingsVersion, append: appendOrKeep(appender, late) },
    onError: onError("Cannot record refused attempts yet"),
  });
  const refusedAttempts: RefusedAttempts = {
    ...attempts,
    record: (attempt) => {
      metrics.refusedAttempt(attempt.code);
      attempts.record(attempt);
    },
  };
  const sweeper = createSweeper({
    ...{ store: store.sweeping, source, newId, nowMs },
    append: (entry) => appender.append(entry, { owed: true }).done,
    ...{ settingsVersion, isLive: (decisionId) => outcomes.isLive(decisionId) },
    beforeUnknown: () => late.adopt(), // the late records of a process that ended, where it shared the data folder
    ...{ onError: onError("Cannot sweep"), onRecorded: metrics.outcome },
    graceMs: store.db.kind === "embedded" ? 0 : SWEEP_GRACE_MS, // no other replica lives on an embedded database
  });
  const erasures = createErasures({
    ...{ source, settingsVersion, newId, nowMs, steadyMs: () => performance.now() },
    store: {
      unfinished: () => store.db.deadline(store.auditErasures.unfinished(ERASURES_AT_ONCE)),
      step: (tx, actionId, most) => store.auditErasures.step(tx, actionId, most),
      transact: (work) => store.db.transact(work),
      appendIn: (tx, entries) => store.audit.appendIn(tx, entries),
    },
    onError: (action, error) =>
      log("error", "Cannot go on with an erasure yet", { action, error: errorText(error) }),
  });
  const deadlines = createDeadlines({ nowMs });
  const recorder = createRecorder({ ...event, deadlines, keeps: store.keeps });
  return { source, appender, late, outcomes, refusedAttempts, sweeper, erasures, recorder, deadlines };
}

/** The appender, and whether the database took the last batch. */
function buildAppender(store: StoreParts, metrics: Metrics) {
  let away = false;
  const appender = createAppender({
    append: async (entries) => {
      try {
        const results = await store.appendEvents(entries);
        away = false;
        return results;
      } catch (error) {
        away = !isRefusedStatement(error);
        throw error;
      }
    },
    maxBatch: MAX_BATCH[store.db.kind],
    isRefusal: isRefusedStatement,
    onBatch: (size, seconds) => metrics.auditBatch(size, seconds),
  });
  return { appender, isAway: () => away };
}

/** Refused attempts are counted again when they can be neither appended nor kept. */
function appendOrKeep(appender: Appender, late: LateRecords) {
  return async (entry: AuditEntry): Promise<"recorded" | "kept"> => {
    if (late.isAway() && await late.keep(entry, { what: "other" })) return "kept";
    try {
      await appender.append(entry).done;
      return "recorded";
    } catch (error) {
      if (await late.keep(entry, { what: "other" })) return "kept";
      throw error;
    }
  };
}
