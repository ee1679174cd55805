/** What of a call a tenant wants kept beside its audit events: nothing, unless it says otherwise. */
export const RECORD_VALUES = ["none", "arguments", "arguments_and_prompt"] as const;

export type RecordValues = (typeof RECORD_VALUES)[number];

/** Longest text in UTF-8 that is kept beside an event; the column `audit_values.value` holds it too. */
export const MAX_VALUE_BYTES = 65_536;

/** Texts beside one event by field: the event has their salted digests, and they can be erased. */
export interface PrivateValues {
  /** Canonical JSON of the arguments and of the prompt. */
  readonly arguments?: string;
  readonly prompt?: string;
  /** What an operator typed, or what a policy or an external check said. */
  readonly reason?: string;
  /** What an operator typed about a tenant. */
  readonly description?: string;
}
