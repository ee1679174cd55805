/**
 * Audit events of calls in the shape of OCSF 1.8.0 API Activity (class 6003) with the `security_control` profile.
 * Source: https://schema.ocsf.io/1.8.0/classes/api_activity. Neither the sequence number nor the previous hash stands
 * inside: the database gives both under its lock. What OCSF has no name for stands in `unmapped`.
 */
import type { Decision, EndingKind, Principal, ToolAnnotations, ToolCall } from "../core/call.ts";
import type { JsonObject } from "../core/json.ts";
import { saltedDigest } from "./digest.ts";

/** What every event of one process has in common. */
export interface EventSource {
  readonly logId: string;
  readonly version: string;
  readonly replicaId: string;
  readonly configDigest: string;
}

const CATEGORY_APPLICATION_ACTIVITY = 6;
const CLASS_API_ACTIVITY = 6003;

/** OCSF activity of a tool: 2 Read, 4 Delete, else 99 Other. */
function activityOf(annotations: ToolAnnotations | undefined): 2 | 4 | 99 {
  return annotations?.readOnlyHint === true ? 2 : annotations?.destructiveHint === true ? 4 : 99;
}

function activityName(activity: 2 | 4 | 99, other: string): string {
  return activity === 2 ? "Read" : activity === 4 ? "Delete" : other;
}

/** `metadata` of any event. */
export function eventMetadata(
  source: EventSource,
  event: { id: string; tenant: string; code: string; correlation?: string; profiles?: readonly string[] },
): JsonObject {
  return {
    correlation_uid: event.correlation,
    event_code: event.code,
    log_name: source.logId,
    product: { name: "IntentGate", vendor_name: "IntentGate", version: source.version },
    profiles: event.profiles ?? ["security_control"],
    tenant_uid: event.tenant,
    uid: event.id,
    version: "1.8.0",
  };
}

/** `unmapped` members that say which process and which settings were in force. */
export function eventProvenance(source: EventSource, settingsVersion: number): JsonObject {
  return { config_digest: source.configDigest, replica: source.replicaId, settings_version: settingsVersion };
}

/** What OCSF says of a decision; texts stand only where the number says "other". */
interface Outcome {
  // severity: 1 informational, 2 low, 3 medium; action: 1 allowed, 2 denied; disposition: 1 allowed, 2 blocked; 99 other
  readonly severity: 1 | 2 | 3;
  readonly statusId: 1 | 2 | 99;
  readonly status: string;
  readonly action: 1 | 2 | 99;
  readonly otherAction?: string;
}

const OUTCOME_OF_DECISION: Readonly<Record<Decision["decision"], Outcome>> = {
  allow: { severity: 1, statusId: 1, status: "Success", action: 1 },
  block: { severity: 3, statusId: 2, status: "Failure", action: 2 },
  escalate: { severity: 2, statusId: 99, status: "Escalated", action: 99, otherAction: "Escalated" },
};

export interface DecisionEventInput {
  readonly eventId: string;
  readonly timeMs: number;
  readonly tenant: string;
  readonly call: ToolCall;
  readonly decision: Decision;
  readonly principal: Principal;
  readonly annotations?: ToolAnnotations | undefined;
  readonly settingsVersion: number;
  readonly salt: Uint8Array;
}

/** What a check said, without what no event may hold: a refusal must not go unrecorded because of its wording. */
function recordable(text: string | undefined): string | undefined {
  return text?.toWellFormed().replaceAll("\0", "\ufffd");
}

/**
 * Event of one decision: what was asked, by whom, and what the pipeline answered. Members stand in their canonical order,
 * here as everywhere in this file: such an event is written without another copy.
 */
export function decisionEvent(source: EventSource, input: DecisionEventInput): JsonObject {
  const { call, decision, principal } = input;
  const outcome = OUTCOME_OF_DECISION[decision.decision];
  const activity = activityOf(input.annotations);
  return {
    action: outcome.otherAction,
    action_id: outcome.action,
    activity_id: activity,
    activity_name: activityName(activity, call.method),
    actor: { app_name: principal.agent, app_uid: principal.agent, session: { uid: principal.blockIds[0] } },
    api: {
      operation: call.name === "" ? call.method : call.name,
      request: { uid: call.id },
      service: { name: call.upstream },
    },
    category_uid: CATEGORY_APPLICATION_ACTIVITY,
    class_uid: CLASS_API_ACTIVITY,
    disposition: outcome.otherAction,
    disposition_id: outcome.action,
    dst_endpoint: { svc_name: call.upstream },
    message: `${call.method} of "${call.name}" on "${call.upstream}": ${decision.decision}`,
    metadata: eventMetadata(source, {
      id: input.eventId,
      tenant: input.tenant,
      code: "call.decided",
      correlation: call.id,
    }),
    severity_id: outcome.severity,
    src_endpoint: { ip: call.sourceIp },
    status: outcome.status,
    status_code: recordable(decision.code),
    status_detail: recordable(decision.reason),
    status_id: outcome.statusId,
    time: input.timeMs,
    type_uid: CLASS_API_ACTIVITY * 100 + activity,
    unmapped: decisionMembers(source, input),
  };
}

function decisionMembers(
  source: EventSource,
  { call, decision, principal, settingsVersion, salt }: DecisionEventInput,
): JsonObject {
  return {
    arguments: {
      digest: saltedDigest(salt, call.argumentsDigest),
      names: Object.keys(call.arguments).slice(0, 64),
      schema: decision.facts.tool?.arguments,
    },
    block_ids: principal.blockIds,
    check: decision.check,
    config_digest: source.configDigest,
    decision: decision.decision,
    delegates: principal.delegates,
    jti: principal.jti,
    method: call.method,
    pin: decision.facts.tool?.pin,
    policy_digest: decision.facts.policy?.policy_digest as string | undefined,
    replica: source.replicaId,
    settings_version: settingsVersion,
    trail: decision.trail.map(({ check, code, micros, verdict }) => ({ check, code, micros, verdict })),
  };
}

export interface OutcomeEventInput {
  readonly eventId: string;
  readonly timeMs: number;
  readonly tenant: string;
  /** Decision id of the allow that this outcome closes. */
  readonly decisionId: string;
  readonly upstream: string;
  readonly operation: string;
  readonly agent: string;
  readonly sourceIp: string;
  readonly ending: {
    readonly kind: EndingKind;
    readonly code?: string | undefined;
    readonly upstreamStatus?: number | undefined;
    readonly resultBytes?: number | undefined;
    readonly resultDigest?: string | undefined;
    readonly upstreamMs?: number | undefined;
  };
  readonly settingsVersion: number;
  readonly salt?: Uint8Array | undefined;
}

/** Event of how one allowed call ended. */
export function outcomeEvent(source: EventSource, input: OutcomeEventInput): JsonObject {
  const { ending, salt } = input;
  const ok = ending.kind === "ok";
  const activity = activityOf(undefined);
  const { resultDigest, upstreamMs, upstreamStatus } = ending;
  return {
    action_id: 1,
    activity_id: activity,
    activity_name: activityName(activity, "outcome"),
    actor: { app_name: input.agent, app_uid: input.agent },
    api: {
      operation: input.operation,
      request: { uid: input.decisionId },
      response: upstreamStatus === undefined ? undefined : { code: upstreamStatus },
      service: { name: input.upstream },
    },
    category_uid: CATEGORY_APPLICATION_ACTIVITY,
    class_uid: CLASS_API_ACTIVITY,
    disposition_id: 1,
    dst_endpoint: { svc_name: input.upstream },
    message: `"${input.operation}" on "${input.upstream}" ended: ${ending.kind}`,
    metadata: eventMetadata(source, {
      id: input.eventId,
      tenant: input.tenant,
      code: "call.ended",
      correlation: input.decisionId,
    }),
    severity_id: ok ? 1 : 2,
    src_endpoint: { ip: input.sourceIp },
    status_code: ending.code ?? ending.kind,
    status_id: ok ? 1 : ending.kind === "unknown" ? 0 : 2,
    time: input.timeMs,
    type_uid: CLASS_API_ACTIVITY * 100 + activity,
    unmapped: {
      config_digest: source.configDigest,
      outcome: ending.kind,
      replica: source.replicaId,
      result_bytes: ending.resultBytes,
      result_digest: resultDigest === undefined || salt === undefined
        ? undefined
        : saltedDigest(salt, resultDigest),
      settings_version: input.settingsVersion,
      upstream_ms: upstreamMs === undefined ? undefined : Math.round(upstreamMs),
    },
  };
}
