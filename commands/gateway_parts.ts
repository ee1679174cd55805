/** Joins pipeline, revocation feed and audit into the gateway of calls. */
import { createRevocationFeed, type RevocationView } from "../checks/revocation_feed.ts";
import { deriveHmacKey, type KeyRing } from "../core/key_ring.ts";
import { createCallGateway } from "../gateway/call_gateway.ts";
import type { Snapshot, UpstreamAccess } from "../gateway/snapshot.ts";
import { closeStages } from "../plugins/loading.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { AuditParts } from "./audit_parts.ts";
import { buildPipeline, enforcedRestrictions } from "./checks_parts.ts";
import type { Configuration } from "./configuration.ts";
import { knownTenants } from "./known_tenants.ts";
import type { StoreParts } from "./store_parts.ts";

export interface GatewayPartsOptions {
  readonly configuration: Configuration;
  readonly ring: KeyRing;
  readonly store: StoreParts;
  readonly audit: AuditParts;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly upstreams: ReadonlyMap<string, UpstreamAccess>;
}

export type GatewayParts = Awaited<ReturnType<typeof buildGatewayParts>>;

/** Builds everything between the MCP front and the store. The revocation feed does not run until it is started. */
export async function buildGatewayParts(options: GatewayPartsOptions) {
  const { configuration: { config }, ring, store, audit, metrics, log } = options;
  const revocations = createRevocationFeed({
    ...{ source: store.revocations, nowMs: () => performance.now(), maxAgeMs: config.revocation_max_age_ms },
    onError: (error) => log("error", "Cannot read the revocation feed", { error: errorText(error) }),
  });
  const keys = new Map<string, CryptoKey>();
  for (const kid of ring.keys.keys()) keys.set(kid, await deriveHmacKey(ring, kid, "token"));
  const { stages, attachments, capability } = await buildPipeline({
    ...{ config, keys, log, audience: store.logId, revocations: counted(revocations, metrics) },
    isTenant: knownTenants((name) => store.db.deadline(store.tenants.exists(name))),
  });
  let snapshot: Snapshot = {
    ...{ stages, upstreams: options.upstreams, settingsVersion: store.settings.version() },
  };
  const current = (): Snapshot => {
    const settingsVersion = store.settings.version();
    if (snapshot.settingsVersion !== settingsVersion) snapshot = { ...snapshot, settingsVersion };
    return snapshot;
  };
  const gateway = createCallGateway({
    ...{ snapshot: current, attachments, replicaId: audit.source.replicaId },
    ...{
      recorder: audit.recorder,
      deadlines: audit.deadlines,
      outcomes: audit.outcomes,
      refusedAttempts: audit.refusedAttempts,
    },
    nowMs: () => Date.now(),
    verifiedPrincipal: (call) => capability.principalOf(call),
    onStage: (check, verdict, seconds) => metrics.stage(check, verdict, seconds),
    onDecision: (decision, check) => metrics.decision(decision, check),
    onFault: (where, call, error) => {
      metrics.fault(where);
      if (where === "audit") metrics.auditFailure();
      log("error", "A call met a fault", {
        ...{ where, decision_id: call.id, upstream: call.upstream, error: errorText(error) },
      });
    },
  });
  return {
    ...{ gateway, revocations, keys, enforced: enforcedRestrictions(config.pipeline) },
    closeStages: () => closeStages(stages),
  };
}

/** The same view, with every lookup counted. */
function counted(view: RevocationView, metrics: Metrics): RevocationView {
  return {
    isFresh: () => {
      const fresh = view.isFresh();
      if (!fresh) metrics.revocationLookup("stale");
      return fresh;
    },
    isRevoked: (subject) => {
      const why = view.isRevoked(subject);
      metrics.revocationLookup(why === undefined ? "clear" : "revoked");
      return why;
    },
    stoppedBy: (subject) => view.stoppedBy(subject),
  };
}
