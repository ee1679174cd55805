/**
 * The closed table of faults. A refusal is a returned verdict and a bug is a plain `TypeError`; only what is
 * neither is a `GatewayError`. `docs/reference/errors.md` lists the same codes (a test compares both).
 */
export const GATEWAY_ERRORS = {
  config_invalid: "The configuration cannot be used",
  database_unavailable: "The database did not answer in time or refused",
  database_newer: "The database schema is newer than this program",
  database_older: "The database schema is older than this program, and the role in use may not change it",
  database_role_unfit: "The role of a database URL does not exist, or has too few or too many rights",
  data_folder_locked: "Another process uses the data folder",
  key_unusable: "A key file or key variable cannot be used",
  audit_unavailable: "The decision could not be recorded",
  late_records_unusable: "A file of late records in the data folder cannot be used",
  audit_event_invalid: "An audit event cannot be canonicalised",
  revocations_stale: "The revocation feed has not been read recently enough",
  check_failed: "A check threw, timed out or answered with something that is no verdict",
  check_timeout: "The checks did not finish before the call's deadline",
  policy_failed: "The policy could not be evaluated",
  upstream_unavailable: "The upstream did not answer",
  upstream_answer_unusable: "The upstream answered with something that is not MCP",
  shutting_down: "The gateway is draining",
  internal: "A fault that has no better name",
} as const;

export type GatewayErrorCode = keyof typeof GATEWAY_ERRORS;

/** A fault: something that should have worked did not. Its message is for operators, never for agents. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  constructor(readonly code: GatewayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}
