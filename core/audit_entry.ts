import type { PrivateValues } from "./record_values.ts";

/**
 * What the append function of the audit chain does in the same transaction as the event: all conditions of an event
 * hold, or the event is dropped and reported as `conflict`. New kinds are added here and in the SQL function
 * `audit_append` (approvals, proofs of possession, reservations come later).
 */
export type AppendCondition =
  /** Remember that this decision allowed a call whose outcome is still to come. */
  | { readonly kind: "open_decision"; readonly decision_id: string; readonly replica_id: string }
  /** The decision is open, and no longer is after this event: exactly one outcome. */
  | { readonly kind: "close_decision"; readonly decision_id: string }
  /**
   * Fewer than `max` calls were counted for this block; count one more. `expires_at`: epoch seconds, when no token of the
   * root block can be valid any more, and the row may go.
   */
  | {
    readonly kind: "consume_call";
    readonly block_id: string;
    readonly root_block_id: string;
    readonly max: number;
    readonly expires_at: number;
  }
  /** Give back one counted call: proven not to have been forwarded. */
  | { readonly kind: "return_call"; readonly block_id: string }
  /** No event with this id is in a chain: an attempt that is made again, in doubt about the first. */
  | { readonly kind: "not_recorded"; readonly event_id: string };

/** One event on its way into a chain. */
export interface AuditEntry {
  /** Tenant name, or `UNVERIFIED_CHAIN` for refusals without a verified token. */
  readonly chain: string;
  /** UUIDv7, also inside the event. */
  readonly eventId: string;
  /** RFC 8785 text of the event, stored and hashed verbatim; at most 60,000 bytes of UTF-8. */
  readonly canonical: string;
  /** 32 random bytes under which digests inside the event were made; kept beside the event, erasable. */
  readonly salt?: Uint8Array;
  /** Texts that the event has digests of, kept beside it and erasable like the salt. */
  readonly values?: PrivateValues;
  readonly conditions: readonly AppendCondition[];
}

/** Most call counters that the tokens of one root block may have; the SQL function `audit_consume_call` holds it. */
export const MAX_COUNTERS_PER_ROOT = 1_000;

/**
 * What became of one entry. `hash` is the chain hash after it, lower-case hex. `full`: the condition needed a counter and
 * the root block already has `MAX_COUNTERS_PER_ROOT`.
 */
export type AppendResult =
  | { readonly status: "appended"; readonly seq: number; readonly hash: string }
  | { readonly status: "conflict"; readonly condition: number; readonly full?: true };

/** One stored event. */
export interface AuditRow {
  readonly seq: number;
  readonly canonical: string;
  readonly hash: string;
}

/** Chain of refusals that no tenant can be blamed for. Tenant names cannot start with `~`. */
export const UNVERIFIED_CHAIN = "~unverified";

/** Chain of what operators change that concerns no single tenant: operators themselves. */
export const INSTALLATION_CHAIN = "~installation";

/** Events longer than this many UTF-8 bytes are shortened with a mark before they are appended. */
export const MAX_EVENT_BYTES = 60_000;
