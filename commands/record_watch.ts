/** Watches the audit record while the process runs: verifies it on a timer, and how much of it is not signed yet. */
import { createBackgroundVerify } from "../audit/background_verify.ts";
import type { MetricGauges } from "../telemetry/gauges.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Configuration } from "./configuration.ts";
import type { LogParts } from "./log_parts.ts";
import type { StoreParts } from "./store_parts.ts";

/** How often the events without a checkpoint are counted. */
const COUNT_INTERVAL_MS = 30_000;

export interface RecordWatch {
  gauges(): Pick<
    MetricGauges,
    | "auditVerifiedAt"
    | "auditBrokenChains"
    | "auditRefusedChains"
    | "auditUnsignedEvents"
    | "auditUnsignedAgeSeconds"
    | "placeLagSeconds"
  >;
  close(): Promise<void>;
}

/** Starts both. */
export function watchRecord(
  { configuration: { config }, store, logs, log }: {
    readonly configuration: Configuration;
    readonly store: StoreParts;
    readonly logs: LogParts;
    readonly log: Log;
  },
): RecordWatch {
  const verify = createBackgroundVerify({
    ...{ reader: store.chain, logId: store.logId, originOf: logs.originOf, verifierKeys: logs.verifierKeys },
    ...{ intervalMs: config.verify_interval_seconds * 1000, nowMs: () => Date.now() },
    ...{ chains: logs.chains, heldElsewhere: logs.heldElsewhere },
    sign: (chain) => logs.signing.signNow(chain),
    onBroken: ({ chain, broken }) => log("error", "An audit chain is broken", { chain, ...broken }),
    onError: (chain, error) =>
      log("error", "Cannot verify an audit chain", { chain, error: errorText(error) }),
  });
  verify.start();
  let unsigned = { events: 0, ageSeconds: 0 };
  const timer = setInterval(() => {
    store.db.deadline(store.auditTree.unsigned()).then(
      (counted) => void (unsigned = counted),
      () => {}, // the database's own metrics tell; the last count stays
    );
  }, COUNT_INTERVAL_MS);
  return {
    gauges: () => ({
      auditVerifiedAt: verify.lastOkAt(),
      auditBrokenChains: verify.broken(),
      auditRefusedChains: logs.signing.refusals().length,
      auditUnsignedEvents: unsigned.events,
      auditUnsignedAgeSeconds: unsigned.ageSeconds,
      placeLagSeconds: logs.places.lagSeconds(),
    }),
    close: async () => {
      clearInterval(timer);
      await verify.close();
    },
  };
}
