/** Audit events of failed attempts to use the admin API: OCSF 1.8.0 Authentication (class 3002). */
import { UNVERIFIED_CHAIN } from "../core/audit_entry.ts";
import type { JsonObject } from "../core/json.ts";
import { eventMetadata, eventProvenance, type EventSource, sourceEndpoint } from "./event.ts";

export interface FailedLoginsInput {
  readonly eventId: string;
  readonly settingsVersion: number;
  /** Why, for example `operator_unauthenticated`. */
  readonly code: string;
  readonly sourceIp: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
  /** Whether they differ in code or address from the first. */
  readonly mixed: boolean;
}

const CLASS_AUTHENTICATION = 3002;
const ACTIVITY_LOGON = 1;
const AUTH_PROTOCOL_OTHER = 99;

/** Event of failed attempts, gathered. Nobody knows who made them: OCSF wants a user, so it is called "unknown". */
export function failedLoginsEvent(source: EventSource, input: FailedLoginsInput): JsonObject {
  return {
    activity_id: ACTIVITY_LOGON,
    auth_protocol: "Bearer",
    auth_protocol_id: AUTH_PROTOCOL_OTHER,
    category_uid: 3,
    class_uid: CLASS_AUTHENTICATION,
    count: input.count,
    end_time: input.lastMs,
    is_remote: true,
    message: `${input.count} attempts to use the admin API failed: ${input.code}`,
    metadata: eventMetadata(source, {
      ...{ id: input.eventId, tenant: UNVERIFIED_CHAIN, code: "login.failed", profiles: [] },
    }),
    service: { name: "admin API" },
    severity_id: 3,
    src_endpoint: sourceEndpoint(input.sourceIp),
    start_time: input.firstMs,
    status_code: input.code,
    status_id: 2,
    time: input.firstMs,
    type_uid: CLASS_AUTHENTICATION * 100 + ACTIVITY_LOGON,
    unmapped: { ...eventProvenance(source, input.settingsVersion), mixed: input.mixed },
    user: { name: "unknown", type_id: 0 },
  };
}
