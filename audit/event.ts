/**
 * Audit events of calls in the shape of OCSF 1.8.0 API Activity (class 6003) with the profiles `security_control`,
 * `ai_operation` and, where the agent names a trace, `trace`. Source: https://schema.ocsf.io/1.8.0/classes/api_activity.
 * Neither the sequence number nor the previous hash stands inside: the database gives both under its lock. What OCSF has
 * no name for stands in `unmapped`.
 */
import type { Decision, EndingKind, Principal, ToolAnnotations, ToolCall } from "../core/call.ts";
import type { JsonObject } from "../core/json.ts";
import type { PrivateValues } from "../core/record_values.ts";
import type { TraceContext } from "../core/trace_context.ts";
import { saltedDigest } from "./digest.ts";
import { isForeignReason, valueDigest } from "./kept_values.ts";
import { shortenText } from "./shorten.ts";

/** What every event of one process has in common. A command that serves nothing is no replica. */
export interface EventOrigin {
  readonly logId: string;
  readonly version: string;
  readonly replicaId?: string;
  readonly configDigest: string;
}

/** The same of a process that serves. */
export interface EventSource extends EventOrigin {
  readonly replicaId: string;
}

/** Names of arguments in an event, and how long one may be: the agent makes them up. */
const MAX_ARGUMENT_NAMES = 64;
const MAX_ARGUMENT_NAME_CHARACTERS = 128;

const CATEGORY_APPLICATION_ACTIVITY = 6;
const CLASS_API_ACTIVITY = 6003;
/** `message_context.ai_role_id`: "a software agent that performs tasks with autonomy or delegated intent". */
const AI_ROLE_AGENT = 4;
const CALL_PROFILES = ["ai_operation", "security_control"] as const;
const TRACED_CALL_PROFILES = [...CALL_PROFILES, "trace"] as const;

/** OCSF activity of a tool: 2 Read, 4 Delete, else 99 Other. */
function activityOf(annotations: ToolAnnotations | undefined): 2 | 4 | 99 {
  return annotations?.readOnlyHint === true ? 2 : annotations?.destructiveHint === true ? 4 : 99;
}

function activityName(activity: 2 | 4 | 99, other: string): string {
  return activity === 2 ? "Read" : activity === 4 ? "Delete" : other;
}

/** `metadata` of any event. */
export function eventMetadata(
  source: EventOrigin,
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

/** A peer by its address; one whose address nobody knows still has to be named. */
export function sourceEndpoint(ip: string): JsonObject {
  return ip === "" || ip === "unknown" ? { name: "unknown" } : { ip };
}

/**
 * OCSF `trace` of a call. No `span` in it: OCSF wants its start and its end, and of the agent's span nobody here knows them.
 */
export function traceObject(trace: TraceContext | undefined): JsonObject | undefined {
  return trace === undefined ? undefined : { uid: trace.traceId };
}

/** OCSF `message_context`: which agent asks which upstream. Its model is not told to the gateway: there is no `ai_model`. */
function messageContext(agent: string, upstream: string): JsonObject {
  return {
    ai_role_id: AI_ROLE_AGENT,
    application: { name: agent },
    service: { name: upstream },
  };
}

/** `unmapped` members that say which process and which settings were in force. */
export function eventProvenance(source: EventOrigin, settingsVersion: number): JsonObject {
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
  /** What stands beside the event. */
  readonly values?: PrivateValues | undefined;
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
    message_context: messageContext(principal.agent, call.upstream),
    metadata: eventMetadata(source, {
      id: input.eventId,
      tenant: input.tenant,
      code: "call.decided",
      correlation: call.id,
      profiles: call.trace === undefined ? CALL_PROFILES : TRACED_CALL_PROFILES,
    }),
    severity_id: outcome.severity,
    src_endpoint: sourceEndpoint(call.sourceIp),
    status: outcome.status,
    status_code: recordable(decision.code),
    status_detail: isForeignReason(decision) ? undefined : recordable(decision.reason),
    status_id: outcome.statusId,
    time: input.timeMs,
    trace: traceObject(call.trace),
    type_uid: CLASS_API_ACTIVITY * 100 + activity,
    unmapped: decisionMembers(source, input),
  };
}

function decisionMembers(
  source: EventSource,
  { call, decision, principal, settingsVersion, salt, values }: DecisionEventInput,
): JsonObject {
  return {
    arguments: {
      digest: saltedDigest(salt, call.argumentsDigest),
      names: Object.keys(call.arguments).slice(0, MAX_ARGUMENT_NAMES)
        .map((name) => shortenText(name, MAX_ARGUMENT_NAME_CHARACTERS)),
      schema: decision.facts.tool?.arguments,
    },
    block_ids: principal.blockIds,
    check: decision.check,
    config_digest: source.configDigest,
    decision: decision.decision,
    delegates: principal.delegates,
    input_responses: call.inputResponsesDigest === undefined
      ? undefined
      : { digest: saltedDigest(salt, call.inputResponsesDigest) },
    jti: principal.jti,
    method: call.method,
    pin: decision.facts.tool?.pin,
    policy_digest: decision.facts.policy?.policy_digest as string | undefined,
    prompt_digest: values?.prompt === undefined ? undefined : valueDigest(salt, values.prompt),
    reason_digest: values?.reason === undefined ? undefined : valueDigest(salt, values.reason),
    replica: source.replicaId,
    settings_version: settingsVersion,
    trace_parent: call.trace?.parentId,
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
  /** `trace` of the decision's event. */
  readonly trace?: JsonObject | undefined;
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
    message_context: messageContext(input.agent, input.upstream),
    metadata: eventMetadata(source, {
      id: input.eventId,
      tenant: input.tenant,
      code: "call.ended",
      correlation: input.decisionId,
      profiles: input.trace === undefined ? CALL_PROFILES : TRACED_CALL_PROFILES,
    }),
    severity_id: ok ? 1 : 2,
    src_endpoint: sourceEndpoint(input.sourceIp),
    status_code: ending.code ?? ending.kind,
    status_id: ok ? 1 : ending.kind === "unknown" ? 0 : 2,
    time: input.timeMs,
    trace: input.trace,
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
