/** Everything that writes into the audit chains: group commit, outcomes, refused attempts, the sweeper. */
import { createAppender } from "../audit/appender.ts";
import type { EventSource } from "../audit/event.ts";
import { createRefusedAttempts, type RefusedAttempts } from "../audit/refused_attempts.ts";
import { createSweeper } from "../audit/sweeper.ts";
import { createDeadlines } from "../gateway/deadlines.ts";
import { createOutcomes } from "../gateway/outcomes.ts";
import { createRecorder } from "../gateway/recorder.ts";
import { isRefusedStatement } from "../store/refused_statement.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { newId, randomBytes } from "./random.ts";
import type { StoreParts } from "./store_parts.ts";

export interface AuditPartsOptions {
  readonly store: StoreParts;
  readonly source: EventSource;
  readonly metrics: Metrics;
  readonly log: Log;
}

export type AuditParts = ReturnType<typeof buildAuditParts>;

/** The embedded database is slower per event: smaller batches keep each well inside its deadline. */
const MAX_BATCH = { embedded: 64, postgres: 256 } as const;

/** Builds them. The sweeper does not run until it is started. */
export function buildAuditParts({ store, source, metrics, log }: AuditPartsOptions) {
  const onError = (what: string) => (error: unknown) => log("error", what, { error: errorText(error) });
  const nowMs = () => Date.now();
  const settingsVersion = () => store.settings.version();
  const appender = createAppender({
    append: (entries) => store.appendEvents(entries),
    maxBatch: MAX_BATCH[store.db.kind],
    isRefusal: isRefusedStatement,
    onBatch: (size, seconds) => metrics.auditBatch(size, seconds),
  });
  const event = { appender, source, newId, nowMs, randomSalt: () => randomBytes(32) };
  const outcomes = createOutcomes({
    ...event,
    onError: onError("Cannot record an outcome yet"),
    onRecorded: metrics.outcome,
  });
  const attempts = createRefusedAttempts({
    ...{ source, newId, settingsVersion, append: (entry) => appender.append(entry).done },
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
    ...{ onError: onError("Cannot sweep"), onRecorded: metrics.outcome },
  });
  const deadlines = createDeadlines({ nowMs });
  const recorder = createRecorder({ ...event, deadlines });
  return { source, appender, outcomes, refusedAttempts, sweeper, recorder, deadlines };
}
