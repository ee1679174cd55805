/** Audit events of what becomes of keys and configuration, in the chain `~installation`: OCSF 1.8.0 Entity Management. */
import { INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import type { JsonObject } from "../core/json.ts";
import { eventMetadata, type EventOrigin, eventProvenance } from "./event.ts";

/** What happened to one entity. */
export interface InstallationChange {
  readonly code:
    | "key.activated"
    | "key.retired"
    | "checkpoint_key.activated"
    | "checkpoint_key.retired"
    | "configuration.changed";
  readonly entity: { readonly type: string; readonly uid: string; readonly data: JsonObject };
}

export interface InstallationEventInput extends InstallationChange {
  readonly eventId: string;
  readonly timeMs: number;
  readonly settingsVersion: number;
  /** Who did it with a command on the gateway's own files and database; absent: the gateway itself, when it started. */
  readonly local?: LocalOperator | undefined;
}

/** All that a command knows of the person who runs it: file system and database let them, no token names them. */
export interface LocalOperator {
  readonly host: string;
  /** User id of the process, where the operating system has such. */
  readonly osUid: number | null;
}

const CLASS_ENTITY_MANAGEMENT = 3004;
// OCSF activities: 3 update, 10 activate, 11 deactivate.
const ACTIVITY_OF: Readonly<Record<InstallationChange["code"], 3 | 10 | 11>> = {
  "key.activated": 10,
  "key.retired": 11,
  "checkpoint_key.activated": 10,
  "checkpoint_key.retired": 11,
  "configuration.changed": 3,
};

/** Event of one such change. */
export function installationEvent(source: EventOrigin, input: InstallationEventInput): JsonObject {
  const { code, entity, local } = input;
  const activity = ACTIVITY_OF[code];
  return {
    activity_id: activity,
    actor: { app_name: local === undefined ? "intentgate" : "intentgate command" },
    category_uid: 3,
    class_uid: CLASS_ENTITY_MANAGEMENT,
    entity: { data: entity.data, type: entity.type, uid: entity.uid },
    message: `${code}: "${entity.uid}"`,
    metadata: eventMetadata(source, {
      ...{ id: input.eventId, tenant: INSTALLATION_CHAIN, code, profiles: [] },
    }),
    severity_id: 1,
    status_id: 1,
    time: input.timeMs,
    type_uid: CLASS_ENTITY_MANAGEMENT * 100 + activity,
    unmapped: {
      ...eventProvenance(source, input.settingsVersion),
      operator: local === undefined ? undefined : {
        host: local.host,
        how: "local",
        os_uid: local.osUid ?? undefined,
      },
    },
  };
}
