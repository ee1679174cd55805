/** Wires the parts that decide and record calls. Only this folder knows all of them. */
import { Buffer } from "node:buffer";
import { createAppender } from "../audit/appender.ts";
import type { EventSource } from "../audit/event.ts";
import { createRefusedAttempts } from "../audit/refused_attempts.ts";
import { createSweeper } from "../audit/sweeper.ts";
import { BUDGET, budget } from "../checks/budget.ts";
import { CAPABILITY, type Capability, capability } from "../checks/capability.ts";
import { POLICY, policy } from "../checks/policy.ts";
import { createRevocationFeed } from "../checks/revocation_feed.ts";
import { type CallAttachments, createCallAttachments } from "../core/attachments.ts";
import type { StageConfig } from "../core/config.ts";
import { deriveHmacKey, type KeyRing } from "../core/key_ring.ts";
import { RESTRICTIONS } from "../core/token/restrictions.ts";
import { uuidv7 } from "../core/uuid.ts";
import { createCallGateway } from "../gateway/call_gateway.ts";
import { createOutcomes } from "../gateway/outcomes.ts";
import { createRecorder } from "../gateway/recorder.ts";
import type { Snapshot, UpstreamAccess } from "../gateway/snapshot.ts";
import type { CheckDefinition } from "../plugins/contract.ts";
import { closeStages, loadStages } from "../plugins/loading.ts";
import { createPolicyEngine } from "../policies/engine.ts";
import { loadDefaultPolicy } from "../policies/library/library.ts";
import { type BufferedLog, errorText } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Configuration } from "./configuration.ts";
import { randomBytes } from "./data_folder.ts";
import type { StoreParts } from "./store_parts.ts";

/** A fresh UUIDv7 of now. */
export function newId(): string {
  return uuidv7(Date.now(), randomBytes(10));
}

/** Restrictions that some check of this pipeline enforces. `rate`, `max_cost` and `cnf` are nobody's yet. */
export function enforcedRestrictions(stages: readonly StageConfig[]): ReadonlySet<string> {
  const configured = new Set(stages.map((stage) => stage.check));
  const built = new Set(
    Object.entries(RESTRICTIONS).filter(([, check]) => check === CAPABILITY).map(([name]) => name),
  );
  if (configured.has(BUDGET)) built.add("max_calls");
  return built;
}

export interface GatewayPartsOptions {
  readonly configuration: Configuration;
  readonly ring: KeyRing;
  readonly store: StoreParts;
  readonly replicaId: string;
  readonly version: string;
  readonly metrics: Metrics;
  readonly log: BufferedLog["log"];
  readonly upstreams: ReadonlyMap<string, UpstreamAccess>;
}

export type GatewayParts = Awaited<ReturnType<typeof buildGatewayParts>>;

/** Builds everything between the MCP front and the store. Nothing runs until the caller starts it. */
export async function buildGatewayParts(options: GatewayPartsOptions) {
  const { configuration: { config, digest }, ring, store, metrics, log } = options;
  const source: EventSource = {
    ...{ logId: store.logId, version: options.version, replicaId: options.replicaId, configDigest: digest },
  };
  const onError = (where: string) => (error: unknown) => log("error", where, { error: errorText(error) });
  const attachments = createCallAttachments();
  const revocations = createRevocationFeed({
    ...{ source: store.revocations, nowMs: () => performance.now(), maxAgeMs: config.revocation_max_age_ms },
    onError: onError("Cannot read the revocation feed"),
  });
  const enforced = enforcedRestrictions(config.pipeline);
  const keys = new Map<string, CryptoKey>();
  for (const kid of ring.keys.keys()) keys.set(kid, await deriveHmacKey(ring, kid, "token"));
  const capabilityCheck = capability({
    ...{ attachments, enforced, keyFor: (kid) => keys.get(kid), audience: () => store.logId },
    maxLifetimeSeconds: config.max_token_lifetime_seconds,
    nowSeconds: () => Date.now() / 1000,
    revocations: {
      isFresh: () => {
        const fresh = revocations.isFresh();
        if (!fresh) metrics.revocationLookup("stale");
        return fresh;
      },
      isRevoked: (subject) => {
        const why = revocations.isRevoked(subject);
        metrics.revocationLookup(why === undefined ? "clear" : "revoked");
        return why;
      },
    },
  });
  const stages = await loadStages({
    ...{ stages: config.pipeline, definitions: builtInChecks(capabilityCheck, attachments, log) },
    context: (name) => ({
      name,
      nowMs: () => Date.now(),
      log: (level, message, fields) => log(level, message, { ...fields, check: name }),
    }),
  });
  const snapshot: Snapshot = {
    ...{ stages, upstreams: options.upstreams, settingsVersion: store.settingsVersion },
  };
  const appender = createAppender({
    append: (entries) => store.appendEvents(entries),
    onBatch: (size, seconds) => metrics.auditBatch(size, seconds),
  });
  const event = {
    ...{ appender, source, newId, nowMs: () => Date.now(), randomSalt: () => randomBytes(32) },
  };
  const outcomes = createOutcomes({ ...event, onError: onError("Cannot record an outcome yet") });
  const refusedAttempts = createRefusedAttempts({
    ...{ source, newId, settingsVersion: () => snapshot.settingsVersion },
    append: (entry) => appender.append(entry).done,
    onError: onError("Cannot record refused attempts yet"),
  });
  const sweeper = createSweeper({
    ...{ store: store.sweeping, append: (entry) => appender.append(entry).done, source, newId },
    ...{ settingsVersion: () => snapshot.settingsVersion, nowMs: () => Date.now() },
    ...{ isLive: (decisionId) => outcomes.isLive(decisionId), onError: onError("Cannot sweep") },
  });
  const gateway = createCallGateway({
    ...{ snapshot: () => snapshot, attachments, replicaId: options.replicaId, nowMs: () => Date.now() },
    ...{ verifiedPrincipal: (call) => capabilityCheck.principalOf(call), outcomes, refusedAttempts },
    recorder: createRecorder(event),
    onStage: (check, verdict, seconds) => metrics.stage(check, verdict, seconds),
    onDecision: (decision, check) => metrics.decision(decision, check),
    onFault: (where, call, error) => {
      if (where === "audit") metrics.auditFailure();
      log("error", "A call met a fault", {
        ...{ where, decision_id: call.id, upstream: call.upstream, error: errorText(error) },
      });
    },
  });
  return {
    ...{ source, gateway, appender, outcomes, refusedAttempts, sweeper, revocations, enforced, keys },
    closeStages: () => closeStages(stages),
  };
}

/** The checks that come with the program, by name. */
function builtInChecks(
  capabilityCheck: Capability,
  attachments: CallAttachments,
  log: BufferedLog["log"],
): ReadonlyMap<string, CheckDefinition> {
  const { wasm, digest } = loadDefaultPolicy();
  const engine = createPolicyEngine(wasm, {
    onBuiltinError: (name, error) =>
      log("warn", "A policy builtin failed", { name, error: errorText(error) }),
  });
  return new Map<string, CheckDefinition>([
    [CAPABILITY, capabilityCheck.definition],
    [POLICY, policy({ engine: () => engine, policyDigest: () => digest })],
    [BUDGET, budget({ attachments })],
  ]);
}

/** Sets up and closes a pipeline that will never see a call: finds what is wrong with its stages and options. */
export async function checkPipeline(stages: readonly StageConfig[]): Promise<void> {
  const attachments = createCallAttachments();
  const nothingYet = capability({
    ...{ attachments, enforced: enforcedRestrictions(stages), keyFor: () => undefined, audience: () => "" },
    ...{ maxLifetimeSeconds: 0, nowSeconds: () => 0 },
    revocations: { isFresh: () => false, isRevoked: () => "all" },
  });
  const loaded = await loadStages({
    ...{ stages, definitions: builtInChecks(nothingYet, attachments, () => {}) },
    context: (name) => ({ name, nowMs: () => Date.now(), log: () => {} }),
  });
  await closeStages(loaded);
}

/** Hex of 16 random bytes: the name of this process among the replicas. */
export function newReplicaId(): string {
  return Buffer.from(randomBytes(16)).toString("hex");
}
