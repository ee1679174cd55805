/** The checks that come with the program, and the pipeline that the configuration makes of them. */
import { BUDGET, budget } from "../checks/budget.ts";
import { CAPABILITY, type Capability, capability } from "../checks/capability.ts";
import { POLICY, policy } from "../checks/policy.ts";
import type { RevocationView } from "../checks/revocation_feed.ts";
import { type CallAttachments, createCallAttachments } from "../core/attachments.ts";
import type { Config, StageConfig } from "../core/config.ts";
import { RESTRICTIONS } from "../core/token/restrictions.ts";
import type { CheckDefinition } from "../plugins/contract.ts";
import { closeStages, loadStages, type Stage } from "../plugins/loading.ts";
import { createPolicyEngine } from "../policies/engine.ts";
import { loadDefaultPolicy } from "../policies/library/library.ts";
import { errorText, type Log } from "../telemetry/log.ts";

/** What the pipeline needs from the running gateway. */
export interface PipelineOptions {
  readonly config: Config;
  /** HMAC keys of the tokens by key id. */
  readonly keys: ReadonlyMap<string, CryptoKey>;
  readonly audience: string;
  readonly isTenant: (tenant: string) => boolean | Promise<boolean>;
  readonly revocations: RevocationView;
  readonly log: Log;
}

/** A pipeline ready to run, with what its first check is asked beside it. */
export interface Pipeline {
  readonly stages: readonly Stage[];
  readonly attachments: CallAttachments;
  readonly capability: Capability;
}

/** Restrictions that some check of this pipeline enforces. `rate`, `max_cost` and `cnf` are nobody's yet. */
export function enforcedRestrictions(stages: readonly StageConfig[]): ReadonlySet<string> {
  const enforced = new Set(
    Object.entries(RESTRICTIONS).filter(([, check]) => check === CAPABILITY).map(([name]) => name),
  );
  if (stages.some((stage) => stage.check === BUDGET)) enforced.add("max_calls");
  return enforced;
}

/** Sets up the configured checks; throws one `GatewayError` that lists everything that is wrong with them. */
export async function buildPipeline(options: PipelineOptions): Promise<Pipeline> {
  const { config, keys, log } = options;
  const attachments = createCallAttachments();
  const first = capability({
    ...{ attachments, enforced: enforcedRestrictions(config.pipeline), revocations: options.revocations },
    ...{ keyFor: (kid) => keys.get(kid), audience: () => options.audience, isTenant: options.isTenant },
    maxLifetimeSeconds: config.max_token_lifetime_seconds,
    nowSeconds: () => Date.now() / 1000,
  });
  const stages = await loadStages({
    stages: config.pipeline,
    definitions: builtInChecks(first, attachments, log),
    context: (name) => ({
      name,
      nowMs: () => Date.now(),
      log: (level, message, fields) => log(level, message, { ...fields, check: name }),
    }),
  });
  return { stages, attachments, capability: first };
}

/** Sets up and closes a pipeline that will never see a call: finds what is wrong with its stages and options. */
export async function checkPipeline(config: Config): Promise<void> {
  const { stages } = await buildPipeline({
    ...{ config, keys: new Map(), audience: "", isTenant: () => false, log: () => {} },
    revocations: { isFresh: () => false, isRevoked: () => "all", stoppedBy: () => "all" },
  });
  await closeStages(stages);
}

function builtInChecks(
  first: Capability,
  attachments: CallAttachments,
  log: Log,
): ReadonlyMap<string, CheckDefinition> {
  const { wasm, digest } = loadDefaultPolicy();
  const engine = createPolicyEngine(wasm, {
    onBuiltinError: (name, error) =>
      log("warn", "A policy builtin failed", { name, error: errorText(error) }),
  });
  return new Map<string, CheckDefinition>([
    [CAPABILITY, first.definition],
    [POLICY, policy({ engine: () => engine, policyDigest: () => digest, namedExactly: first.namesExactly })],
    [BUDGET, budget({ attachments })],
  ]);
}
