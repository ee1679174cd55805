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
      description: "One page, in the order of the chain.",
      schema: page(
        "events",
        z.strictObject({
          seq,
          hash: sha256,
          event: z.looseObject({}).describe("An OCSF event, see audit.md."),
        }),
        seq,
      ).extend({ tenant: chainName }),
    },
    problems: { 404: [UNKNOWN_TENANT] },
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
      description: "What the chain proves, see audit.md.",
      schema: z.strictObject({
        tenant: chainName,
        verdict: z.enum(["verified", "broken", "unproven"]),
        first: seq.describe("Sequence number of the first event that was recomputed."),
        events: seq.describe("Events that were recomputed."),
        head: z.strictObject({ seq, hash: sha256 }),
        broken: z.strictObject({
          seq,
          what: z.enum([
            ...["missing", "hash", "head", "extra", "checkpoint", "signature", "expected"] as const,
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
        reason: z.string().optional().describe("Why nothing can be said."),
      }),
    },
    problems: { 404: [UNKNOWN_TENANT] },
  }),
} as const;
