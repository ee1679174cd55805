/** Audit events of the gateway process itself, in the chain `~installation`: OCSF 1.8.0 Application Lifecycle (class 6002). */
import { INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import type { JsonObject } from "../core/json.ts";
import { eventMetadata, eventProvenance, type EventSource } from "./event.ts";

const CLASS_APPLICATION_LIFECYCLE = 6002;
// OCSF activities: 3 start, 4 stop.
const START = 3, STOP = 4;

/** What a process says of itself when it starts. */
export interface ProcessStart {
  readonly database: "embedded" | "postgres";
  /** The key under which it makes tokens. */
  readonly masterKey: { readonly kid: string; readonly fingerprint: string };
  /** The public halves of the keys with which it signs checkpoints, 32 bytes each in base64, the active one first. */
  readonly checkpointKeys: readonly string[];
}

interface When {
  readonly eventId: string;
  readonly timeMs: number;
  readonly settingsVersion: number;
}

/** Event of a start, appended before anything is served. */
export function startedEvent(
  source: EventSource,
  input: When & ProcessStart & { readonly previous?: JsonObject | undefined },
): JsonObject {
  return {
    ...lifecycle(source, input, START, "gateway.started"),
    message: `IntentGate ${source.version} started`,
    unmapped: {
      ...eventProvenance(source, input.settingsVersion),
      checkpoint_keys: input.checkpointKeys,
      database: input.database,
      master_key: { fingerprint: input.masterKey.fingerprint, kid: input.masterKey.kid },
      previous: input.previous,
    },
  };
}

/** Event of an orderly stop, when no call is in flight any more. A process that was killed leaves none. */
export function stoppedEvent(
  source: EventSource,
  input: When & {
    readonly startedMs: number;
    /** Outcomes that others have to write, because the database did not take them. */
    readonly owed: number;
  },
): JsonObject {
  return {
    ...lifecycle(source, input, STOP, "gateway.stopped"),
    duration: Math.max(0, input.timeMs - input.startedMs),
    end_time: input.timeMs,
    message: `IntentGate ${source.version} stopped`,
    start_time: input.startedMs,
    unmapped: { ...eventProvenance(source, input.settingsVersion), owed_outcomes: input.owed },
  };
}

function lifecycle(
  source: EventSource,
  { eventId, timeMs }: When,
  activity: 3 | 4,
  code: string,
): JsonObject {
  return {
    activity_id: activity,
    app: { name: "IntentGate", vendor_name: "IntentGate", version: source.version },
    category_uid: 6,
    class_uid: CLASS_APPLICATION_LIFECYCLE,
    metadata: eventMetadata(source, { id: eventId, tenant: INSTALLATION_CHAIN, code, profiles: [] }),
    severity_id: 1,
    status_id: 1,
    time: timeMs,
    type_uid: CLASS_APPLICATION_LIFECYCLE * 100 + activity,
  };
}
