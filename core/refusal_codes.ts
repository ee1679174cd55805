/** Codes of refusals that more than one layer must know: what is answered with 401, and what hides that a name exists. */

/** Refusals of a missing, bad, expired or revoked token: HTTP 401 with `WWW-Authenticate`. */
export const UNAUTHENTICATED_CODES: ReadonlySet<string> = new Set([
  "missing_token",
  "invalid_token",
  "expired_token",
  "revoked_token",
  "not_yet_valid",
]);

/** Refused attempts to use the admin API: without a valid operator token, or after too many of those. */
export const OPERATOR_ATTEMPT_CODES = ["operator_unauthenticated", "operator_throttled"] as const;

/** The one answer for a name out of scope and for a name that does not exist. */
export const NOT_AVAILABLE = "not_available";
export const NOT_AVAILABLE_REASON = "This name does not exist here or the token does not cover it";
