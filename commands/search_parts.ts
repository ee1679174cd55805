/** Joins search, its index and the streams of events with the store. */
import { createAuditStreams } from "../admin/audit_stream.ts";
import { createHeadFeed } from "../audit/live/head_feed.ts";
import { createIndexer } from "../audit/search/indexer.ts";
import type { MetricGauges } from "../telemetry/gauges.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { StoreParts } from "./store_parts.ts";

export type SearchParts = ReturnType<typeof buildSearchParts>;

/** How long a replica fills the index before another may; it says for every segment that it still does. */
const LEASE_SECONDS = 30;

/** Builds them; nothing is indexed until the indexer is started. */
export function buildSearchParts(
  { store, replicaId, metrics, log }: {
    readonly store: StoreParts;
    readonly replicaId: string;
    readonly metrics: Metrics;
    readonly log: Log;
  },
) {
  const { db, auditSearch: tables } = store;
  const onError = (message: string) => (error: unknown) => log("error", message, { error: errorText(error) });
  const steadyMs = () => performance.now();
  const reads = {
    bounds: (chain: string) => db.deadline(tables.bounds(chain)),
    oldest: (...asked: Parameters<typeof tables.oldest>) => db.deadline(tables.oldest(...asked)),
  };
  const indexer = createIndexer({
    store: {
      ...reads,
      progress: () => db.deadline(tables.progress()),
      lead: () => db.deadline(tables.lead(replicaId, LEASE_SECONDS)),
      add: (...added) => db.deadline(tables.add(...added)),
      forget: (chain) => db.deadline(tables.forget(chain)),
    },
    ...{ steadyMs, onError: onError("Cannot index audit events") },
  });
  const streams = createAuditStreams();
  return {
    ...{ indexer, streams },
    search: {
      index: {
        ...reads,
        segmentsWithin: (...asked: Parameters<typeof tables.segmentsWithin>) =>
          db.deadline(tables.segmentsWithin(...asked)),
        segmentsWith: (...asked: Parameters<typeof tables.segmentsWith>) =>
          db.deadline(tables.segmentsWith(...asked)),
        newest: (...asked: Parameters<typeof tables.newest>) => db.deadline(tables.newest(...asked)),
        events: (...asked: Parameters<typeof tables.events>) => db.deadline(tables.events(...asked)),
      },
      ...{ steadyMs, onSearched: metrics.auditSearch },
    },
    following: {
      followed: {
        ...reads,
        fullTile: (chain: string, level: number, index: number) =>
          db.deadline(store.auditTree.fullTile(chain, level, index)),
      },
      heads: createHeadFeed({
        read: (chains) => db.deadline(tables.headSeqs(chains)),
        onError: onError("Cannot see whether audit chains have grown"),
      }),
      ...{ streams, steadyMs, onError: onError("An audit stream met a fault") },
      onIdle: (operator: string, tenant: string) =>
        log("info", "The reader of an audit stream took nothing and was disconnected", { operator, tenant }),
    },
    gauges: (): Pick<MetricGauges, "auditStreams" | "auditUnindexedEvents"> => ({
      auditStreams: streams.open(),
      auditUnindexedEvents: indexer.behind(),
    }),
  };
}
