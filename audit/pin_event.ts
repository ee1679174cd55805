/** Audit events of what the gateway itself does to the pins of an upstream's tools: OCSF 1.8.0 Entity Management. */
import type { JsonObject } from "../core/json.ts";
import { toolSetDigest } from "../core/tool_digest.ts";
import type { PinPlan, SeenTool } from "../core/tool_pin.ts";
import { INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import { eventMetadata, eventProvenance, type EventSource } from "./event.ts";

export interface PinEventInput {
  readonly eventId: string;
  readonly timeMs: number;
  readonly settingsVersion: number;
  readonly upstream: string;
  /** The whole reading. */
  readonly tools: readonly SeenTool[];
  readonly plan: PinPlan;
}

const CLASS_ENTITY_MANAGEMENT = 3004;
/** Names that an event lists of each kind; `…_count` has how many there are. */
const MAX_NAMES = 100;

/** Event of one reading that changed the pins of an upstream; `tools.pinned` for the first, else `tools.changed`. */
export function pinEvent(source: EventSource, input: PinEventInput): JsonObject {
  const { plan, upstream } = input;
  const code = plan.isFirst ? "tools.pinned" : "tools.changed";
  const held = plan.candidates.length > 0;
  return {
    activity_id: plan.isFirst ? 1 : 3,
    category_uid: 3,
    class_uid: CLASS_ENTITY_MANAGEMENT,
    type_uid: CLASS_ENTITY_MANAGEMENT * 100 + (plan.isFirst ? 1 : 3),
    severity_id: held ? 3 : 1,
    status_id: 1,
    time: input.timeMs,
    message: `${code} of upstream "${upstream}"`,
    metadata: eventMetadata(source, {
      ...{ id: input.eventId, tenant: INSTALLATION_CHAIN, code, profiles: [] },
    }),
    actor: { app_name: "intentgate" },
    entity: {
      type: "upstream",
      uid: upstream,
      data: {
        tools: input.tools.length,
        tools_digest: toolSetDigest(input.tools),
        ...listed("trusted", plan.trusted.map(({ name, digest }) => ({ name, digest }))),
        ...listed("differing", plan.candidates.map(({ name, digest }) => ({ name, digest }))),
        ...listed("settled", plan.settled),
        ...listed("missing", plan.missing),
        ...listed("forgotten", plan.forgotten),
      },
    },
    unmapped: eventProvenance(source, input.settingsVersion),
  };
}

function listed(kind: string, items: readonly (string | JsonObject)[]): JsonObject {
  return items.length === 0 ? {} : { [kind]: items.slice(0, MAX_NAMES), [`${kind}_count`]: items.length };
}
