/** Joins data folder, keys and appender into the late records, and says in log and metrics what becomes of them. */
import type { Appender } from "../audit/appender.ts";
import type { EventSource } from "../audit/event.ts";
import type { LateKeys } from "../audit/late_file.ts";
import type { LateFiles, LateRecords, LateRecordsWatch } from "../audit/late_port.ts";
import { createLateRecords } from "../audit/late_records.ts";
import { derive, type KeyRing } from "../core/key_ring.ts";
import { isRefusedStatement } from "../store/refused_statement.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Configuration } from "./configuration.ts";
import { openLateRecordFiles } from "./late_record_files.ts";
import { newId } from "./random.ts";

/** Where late records stand and how they are sealed. */
export interface LateRecordFolder {
  readonly files: LateFiles;
  readonly keys: LateKeys;
  readonly maxBytes: number;
}

/** Opens the folder in the data folder. */
export async function openLateRecordFolder(
  { config }: Configuration,
  ring: KeyRing,
): Promise<LateRecordFolder> {
  const keys = new Map<string, Uint8Array>();
  for (const kid of ring.keys.keys()) keys.set(kid, await derive(ring, kid, "late_records"));
  return {
    files: await openLateRecordFiles(`${config.data_dir}/late_records`),
    keys: { active: ring.active, keys },
    maxBytes: config.late_records_max_bytes,
  };
}

export interface LateRecordPartsOptions {
  readonly folder: LateRecordFolder;
  readonly appender: Appender;
  readonly isAway: () => boolean;
  readonly source: EventSource;
  readonly settingsVersion: () => number;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Builds them; nothing that waits is appended before they are started. */
export function buildLateRecords(options: LateRecordPartsOptions): LateRecords {
  const { folder, appender, isAway, source, settingsVersion, metrics, log } = options;
  return createLateRecords({
    ...folder,
    ...{ appender, isAway, source, settingsVersion, newId, nowMs: () => Date.now() },
    isRefusal: (error) => error instanceof Error && isRefusedStatement(error.cause),
    watch: watchOf(metrics, log),
  });
}

function watchOf(metrics: Metrics, log: Log): LateRecordsWatch {
  return {
    kept: (isFirst) => {
      metrics.lateRecords("kept");
      if (isFirst) log("warn", "Records are kept in the data folder until the database takes them");
    },
    adopted: (files) => log("info", "Late records of processes that ended were taken over", { files }),
    recorded: ({ recorded, known }) => {
      metrics.lateRecords("recorded", recorded);
      metrics.lateRecords("known", known);
      log("info", "Late records were recorded", { recorded, known });
    },
    lost: ({ chain, what, reason, count }, isFirst) => {
      metrics.lateRecords("lost", count);
      if (isFirst) log("error", "Records are lost: an event will say how many", { chain, what, reason });
    },
    gapRecorded: ({ chain, what, reason, count }) => {
      metrics.auditGap();
      log("error", "A gap was recorded", { chain, what, reason, count });
    },
    torn: (file) => log("warn", "A late record was cut off by a crash", { file }),
    failed: (error) => log("error", "Cannot work on late records", { error: errorText(error) }),
  };
}
