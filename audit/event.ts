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

const CLASS_API_ACTIVITY = 6003;

/** OCSF activity of a tool: 2 Read, 4 Delete, else 99 Other. */
function activityOf(method: string, annotations: ToolAnnotations | undefined): JsonObject {
  const id = annotations?.readOnlyHint === true ? 2 : annotations?.destructiveHint === true ? 4 : 99;
  return {
    activity_id: id,
    activity_name: id === 2 ? "Read" : id === 4 ? "Delete" : method,
    category_uid: 6,
    class_uid: CLASS_API_ACTIVITY,
    type_uid: CLASS_API_ACTIVITY * 100 + id,
  };
}

/** `metadata` of any event. */
export function eventMetadata(
  source: EventSource,
  event: { id: string; tenant: string; code: string; correlation?: string; profiles?: readonly string[] },
): JsonObject {
  return {
    version: "1.8.0",
    uid: event.id,
    tenant_uid: event.tenant,
    log_name: source.logId,
    event_code: event.code,
    correlation_uid: event.correlation,
    product: { name: "IntentGate", vendor_name: "IntentGate", version: source.version },
    profiles: event.profiles ?? ["security_control"],
  };
}

/** `unmapped` members that say which process and which settings were in force. */
export function eventProvenance(source: EventSource, settingsVersion: number): JsonObject {
  return { replica: source.replicaId, config_digest: source.configDigest, settings_version: settingsVersion };
}

const OUTCOME_OF_DECISION = {
  // severity: 1 informational, 2 low, 3 medium; action: 1 allowed, 2 denied, 99 other; disposition: 1 allowed, 2 blocked, 99 other
  allow: { severity_id: 1, status_id: 1, status: "Success", action_id: 1, disposition_id: 1 },
  block: { severity_id: 3, status_id: 2, status: "Failure", action_id: 2, disposition_id: 2 },
  escalate: {
    severity_id: 2,
    status_id: 99,
    status: "Escalated",
    action_id: 99,
    action: "Escalated",
    disposition_id: 99,
    disposition: "Escalated",
  },
} as const;

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

function callMembers(call: ToolCall, principal: Principal): JsonObject {
  return {
    actor: { app_name: principal.agent, app_uid: principal.agent, session: { uid: principal.blockIds[0] } },
    api: {
      operation: call.name === "" ? call.method : call.name,
      service: { name: call.upstream },
      request: { uid: call.id },
    },
    src_endpoint: { ip: call.sourceIp },
    dst_endpoint: { svc_name: call.upstream },
  };
}

/** What a check said, without what no event may hold: a refusal must not go unrecorded because of its wording. */
function recordable(text: string | undefined): string | undefined {
  return text?.toWellFormed().replaceAll("\0", "\ufffd");
}

/** Event of one decision: what was asked, by whom, and what the pipeline answered. */
export function decisionEvent(source: EventSource, input: DecisionEventInput): JsonObject {
  const { call, decision, principal } = input;
  return {
    ...activityOf(call.method, input.annotations),
    ...OUTCOME_OF_DECISION[decision.decision],
    time: input.timeMs,
    status_code: recordable(decision.code),
    status_detail: recordable(decision.reason),
    message: `${call.method} of "${call.name}" on "${call.upstream}": ${decision.decision}`,
    metadata: eventMetadata(source, {
      id: input.eventId,
      tenant: input.tenant,
      code: "call.decided",
      correlation: call.id,
    }),
    ...callMembers(call, principal),
    unmapped: {
      ...eventProvenance(source, input.settingsVersion),
      decision: decision.decision,
      check: decision.check,
      method: call.method,
      trail: decision.trail.map((entry) => ({ ...entry })),
      block_ids: principal.blockIds,
      delegates: principal.delegates,
      jti: principal.jti,
      policy_digest: decision.facts.policy?.policy_digest as string | undefined,
      arguments: {
        names: Object.keys(call.arguments).slice(0, 64),
        digest: saltedDigest(input.salt, call.argumentsDigest),
      },
    },
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
  const { ending } = input;
  const ok = ending.kind === "ok";
  return {
    ...activityOf("outcome", undefined),
    severity_id: ok ? 1 : 2,
    status_id: ok ? 1 : ending.kind === "unknown" ? 0 : 2,
    status_code: ending.code ?? ending.kind,
    action_id: 1,
    disposition_id: 1,
    time: input.timeMs,
    message: `"${input.operation}" on "${input.upstream}" ended: ${ending.kind}`,
    metadata: eventMetadata(source, {
      id: input.eventId,
      tenant: input.tenant,
      code: "call.ended",
      correlation: input.decisionId,
    }),
    actor: { app_name: input.agent, app_uid: input.agent },
    api: {
      operation: input.operation,
      service: { name: input.upstream },
      request: { uid: input.decisionId },
      response: ending.upstreamStatus === undefined ? undefined : { code: ending.upstreamStatus },
    },
    src_endpoint: { ip: input.sourceIp },
    dst_endpoint: { svc_name: input.upstream },
    unmapped: {
      ...eventProvenance(source, input.settingsVersion),
      outcome: ending.kind,
      upstream_ms: ending.upstreamMs === undefined ? undefined : Math.round(ending.upstreamMs),
      result_bytes: ending.resultBytes,
      result_digest: ending.resultDigest === undefined || input.salt === undefined
        ? undefined
        : saltedDigest(input.salt, ending.resultDigest),
    },
  };
}
