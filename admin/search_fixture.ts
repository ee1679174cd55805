/** The audit record in memory, as search and stream read it: nothing of it is indexed. */
import { honestEvents } from "../audit/export/export_fixture.ts";
import type { FollowedChain } from "../audit/live/follow_chain.ts";
import { createHeadFeed } from "../audit/live/head_feed.ts";
import type { SearchIndex } from "../audit/search/search_events.ts";
import type { AuditRow } from "../core/audit_entry.ts";
import { auditSearchRoutes } from "./audit_search.ts";
import { auditStreamRoutes, createAuditStreams } from "./audit_stream.ts";
import type { AdminEnvironment } from "./environment.ts";
import { type OperatorCredentials, operatorOf } from "./operator.ts";

/** Search and streams over the chain of "acme" as `recorded` is at the moment; the one of "default" is empty. */
export function searchRoutes(
  environment: AdminEnvironment,
  { credentials, state, steadyMs }: {
    readonly credentials: OperatorCredentials;
    readonly state: { readonly searchesHang: boolean };
    readonly steadyMs: () => number;
  },
) {
  const recorded = honestEvents("acme", 5).map((event) => JSON.stringify(event));
  const streams = createAuditStreams();
  const { read, heads } = searchFixture((chain) => chain === "acme" ? recorded : []);
  const bounds = (chain: string) => state.searchesHang ? new Promise<never>(() => {}) : read.bounds(chain);
  const times = { longestMs: 60_000, heartbeatMs: 10, recheckMs: 15_000 };
  const routes = [
    ...auditSearchRoutes(environment, { index: { ...read, bounds }, steadyMs, onSearched: () => {} }),
    ...auditStreamRoutes(environment, {
      ...{ followed: read, heads, streams, steadyMs, onError: () => {}, onIdle: () => {} },
      identify: (authorization) => operatorOf(credentials, authorization),
    }, times),
  ];
  return { routes, streams, recorded };
}

/** Reads what `entriesOf` gives at the moment, canonical texts by chain. */
function searchFixture(entriesOf: (chain: string) => readonly string[]) {
  const rows = (chain: string): readonly AuditRow[] =>
    entriesOf(chain).map((canonical, at) => ({ seq: at + 1, canonical, hash: "00".repeat(32) }));
  const within = (
    chain: string,
    { after, upTo }: { readonly after: number; readonly upTo: number },
    needles: readonly string[],
  ) =>
    rows(chain).filter(({ seq, canonical }) =>
      seq > after && seq <= upTo && needles.every((needle) => canonical.includes(needle))
    );
  const read: SearchIndex & FollowedChain = {
    bounds: (chain) => {
      const headSeq = rows(chain).length;
      return Promise.resolve({ firstSeq: Math.min(1, headSeq), headSeq, segments: 0 });
    },
    oldest: (chain, range, needles, limit) => Promise.resolve(within(chain, range, needles).slice(0, limit)),
    newest: (chain, range, needles, limit) =>
      Promise.resolve(within(chain, range, needles).toReversed().slice(0, limit)),
    events: (chain, seqs) => Promise.resolve(rows(chain).filter(({ seq }) => seqs.includes(seq))),
    segmentsWithin: () => Promise.resolve(new Map()),
    segmentsWith: () => Promise.resolve(new Map()),
    fullTile: () => Promise.resolve(undefined),
  };
  const heads = createHeadFeed({
    read: (chains) => Promise.resolve(new Map(chains.map((chain) => [chain, entriesOf(chain).length]))),
    onError: () => {},
    intervalMs: 5,
  });
  return { read, heads };
}
