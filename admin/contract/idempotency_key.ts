import * as z from "zod";

/**
 * Value of the header `Idempotency-Key`: a string of RFC 8941, as draft-ietf-httpapi-idempotency-key-header wants it,
 * without the two characters that would need a backslash. Many clients leave the quotes away, so a plain key will do;
 * with quotes or without, it is the same key.
 */
export const idempotencyKeyHeader = z.string().regex(
  /^("[ !#-[\]-~]{1,128}"|[A-Za-z0-9._~:+\/=-]{1,128})$/,
  "1 to 128 printable ASCII characters in double quotes, without backslashes; letters, digits and ._~:+/=- need no quotes",
).meta({ minLength: 1, maxLength: 130 });

/** How long an answer is kept for its key. */
export const IDEMPOTENCY_KEY_SECONDS = 86_400;

/** Header of an answer that an earlier request with this key got. */
export const REPLAYED_HEADER = "idempotency-replayed";

/** Why a write with a key may be refused, by status. */
export const IDEMPOTENCY_PROBLEMS = {
  409: [{
    code: "idempotency_in_flight",
    when: "A request with this key is being worked on: ask again with the same key.",
  }, {
    code: "idempotency_answer_unreadable",
    when: "The change was made, but its answer was sealed under a key that this gateway no longer has.",
  }],
  422: [{
    code: "idempotency_key_reused",
    when: "Another request came with this key before: nothing was done.",
  }],
} as const;
