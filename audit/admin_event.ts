/** Audit events of the admin API: OCSF 1.8.0 Entity Management (class 3004). */
import type { JsonObject } from "../core/json.ts";
import type { Operator } from "../core/operator.ts";
import { eventMetadata, eventProvenance, type EventSource, sourceEndpoint } from "./event.ts";

export interface AdminEventInput {
  readonly eventId: string;
  readonly timeMs: number;
  readonly tenant: string;
  readonly settingsVersion: number;
  readonly operator: Operator;
  readonly sourceIp: string;
  /** For example `token.minted`, `revocation.created`. */
  readonly code: string;
  /** OCSF activity: 1 create, 2 read, 3 update, 4 delete. */
  readonly activity: 1 | 2 | 3 | 4;
  readonly entity: { readonly type: string; readonly uid: string; readonly data: JsonObject };
  /** Digests of what the operator typed, which stands beside the event: `reason_digest`, `description_digest`. */
  readonly textDigests?: JsonObject | undefined;
}

const CLASS_ENTITY_MANAGEMENT = 3004;

/** Event of one change that an operator made. */
export function adminEvent(source: EventSource, input: AdminEventInput): JsonObject {
  return {
    activity_id: input.activity,
    category_uid: 3,
    class_uid: CLASS_ENTITY_MANAGEMENT,
    type_uid: CLASS_ENTITY_MANAGEMENT * 100 + input.activity,
    severity_id: 1,
    status_id: 1,
    time: input.timeMs,
    message: `${input.code} by operator "${input.operator.id}"`,
    metadata: eventMetadata(source, {
      id: input.eventId,
      tenant: input.tenant,
      code: input.code,
      profiles: [],
    }),
    actor: { user: { uid: input.operator.id, name: input.operator.id } },
    entity: { type: input.entity.type, uid: input.entity.uid, data: input.entity.data },
    src_endpoint: sourceEndpoint(input.sourceIp),
    unmapped: {
      ...eventProvenance(source, input.settingsVersion),
      operator: { id: input.operator.id, how: input.operator.how, role: input.operator.role },
      ...input.textDigests,
    },
  };
}
