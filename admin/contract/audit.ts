import * as z from "zod";
import { chainName, note, seq, sha256 } from "./audit_words.ts";
import { routeSpec } from "./route.ts";
import { page, pageQuery, seconds, UNKNOWN_TENANT } from "./words.ts";

/** The audit chains. */
export const AUDIT_ROUTES = {
  events: routeSpec({
    id: "listAuditEvents",
    ...{ method: "GET", path: "/audit/events", access: { role: "auditor", scope: "tenant" } },
    summary: "Read a chain in order",
    query: pageQuery(seq, { tenant: chainName.default("default") }),
    answer: {
      status: 200,
      description: "One page, in the order of the chain; of long events it may have fewer than `limit`.",
      schema: page(
        "events",
        z.strictObject({
          seq,
          hash: sha256,
          reason: z.string().optional().describe(
            "The text whose digest is `unmapped.reason_digest`, unless erased.",
          ),
          event: z.looseObject({}).describe("An OCSF event, see audit.md."),
        }),
        seq,
      ).extend({ tenant: chainName }),
    },
    problems: { 404: [UNKNOWN_TENANT] },
  }),
  values: routeSpec({
    id: "getAuditValues",
    ...{ method: "GET", path: "/audit/values", access: { role: "operator", scope: "tenant" } },
    summary: "Read what is kept beside an event, which is recorded",
    query: z.strictObject({ tenant: chainName, seq: seq.min(1).describe("The event's sequence number.") }),
    answer: {
      status: 200,
      description: "Texts that the event has digests of, as far as they were kept and not erased.",
      schema: z.strictObject({
        ...{ tenant: chainName, seq },
        salt: z.string().regex(/^[0-9a-f]*$/).nullable()
          .describe("Hex: the digests are HMAC-SHA-256 under it; null when it was erased or there is none."),
        values: z.array(z.strictObject({
          field: z.enum(["arguments", "prompt", "reason", "description"]),
          value: z.string(),
          digest: z.string().nullable().describe("As it stands in the event."),
          matches: z.boolean().describe(
            "Whether the value has this digest: false after a change, or without the salt.",
          ),
        })),
      }),
    },
    problems: {
      404: [UNKNOWN_TENANT, { code: "unknown_event", when: "There is no event with this number." }],
    },
  }),
  verify: routeSpec({
    id: "verifyAuditChain",
    ...{ method: "GET", path: "/audit/verify", access: { role: "auditor", scope: "tenant" } },
    summary: "Recompute a chain from its beginning",
    query: z.strictObject({
      tenant: chainName,
      expected: note.optional().describe("A signed checkpoint that you hold: the chain must continue it."),
      since: note.optional().describe("A signed checkpoint up to which the chain was verified before."),
    }),
    answer: {
      status: 200,
      description:
        "What the chain proves, see audit.md. `Accept: text/event-stream` gets it as the last of server-sent " +
        "events that tell how far it is.",
      schema: z.strictObject({
        tenant: chainName,
        verdict: z.enum(["verified", "broken", "unproven"]),
        first: seq.describe("Sequence number of the first event that was recomputed."),
        events: seq.describe("Events that were recomputed."),
        last: seq.describe("Sequence number of the last event when it began."),
        head: z.strictObject({ seq, hash: sha256 }),
        broken: z.strictObject({
          seq,
          what: z.enum([
            ...["missing", "hash", "head", "extra", "checkpoint", "signature", "expected", "pruned"] as const,
            ...["event", "mixed_chain", "chain_hash", "outcome"] as const,
          ]),
          expected: z.string(),
          found: z.string(),
        }).optional(),
        checkpoint: z.strictObject({ size: seq, root: sha256, signed_at: seconds, note: z.string() })
          .optional()
          .describe(
            "The last signed checkpoint that the events were held against; `note` is the note itself.",
          ),
        verified_to: z.strictObject({ size: seq, note: z.string() }).optional()
          .describe("The last signed checkpoint up to which everything held: a later `since`."),
        tail: z.strictObject({ events: seq, age_seconds: z.int().min(0) })
          .describe("Events that no checkpoint covers yet, and the age of the oldest."),
        open: seq.describe("Allowed calls whose outcome is still to come."),
        pruned: z.strictObject({ first: seq, last: seq, seq: seq.describe("Number of the prune event.") })
          .optional().describe("Events whose bodies two operators had pruned: their hashes were recomputed."),
        reason: z.string().optional().describe("Why nothing can be said."),
      }),
    },
    problems: {
      404: [UNKNOWN_TENANT],
      429: [{
        code: "too_many_verifications",
        when: "The operator, or all together, have too many verifications under way.",
      }],
    },
  }),
} as const;
