import core from "./0001_core.sql" with { type: "text" };
import audit from "./0002_audit.sql" with { type: "text" };
import operators from "./0003_operators.sql" with { type: "text" };
import idempotency from "./0004_idempotency.sql" with { type: "text" };
import toolPins from "./0005_tool_pins.sql" with { type: "text" };
import auditTree from "./0006_audit_tree.sql" with { type: "text" };
import lateRecords from "./0007_late_records.sql" with { type: "text" };
import privateValues from "./0008_private_values.sql" with { type: "text" };
import eventSearch from "./0009_event_search.sql" with { type: "text" };
import checkpointPlaces from "./0010_checkpoint_places.sql" with { type: "text" };
import linkRelay from "./0011_link_relay.sql" with { type: "text" };

/** One step of the schema: forward only, never changed once released. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

/** All migrations in the order in which they apply; numbers count from 1 without gaps. */
export const MIGRATIONS: readonly Migration[] = [
  { number: 1, name: "0001_core", sql: core },
  { number: 2, name: "0002_audit", sql: audit },
  { number: 3, name: "0003_operators", sql: operators },
  { number: 4, name: "0004_idempotency", sql: idempotency },
  { number: 5, name: "0005_tool_pins", sql: toolPins },
  { number: 6, name: "0006_audit_tree", sql: auditTree },
  { number: 7, name: "0007_late_records", sql: lateRecords },
  { number: 8, name: "0008_private_values", sql: privateValues },
  { number: 9, name: "0009_event_search", sql: eventSearch },
  { number: 10, name: "0010_checkpoint_places", sql: checkpointPlaces },
  { number: 11, name: "0011_link_relay", sql: linkRelay },
];
