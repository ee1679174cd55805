import * as z from "zod";
import { INSTALLATION_CHAIN, UNVERIFIED_CHAIN } from "../../core/audit_entry.ts";
import { tenantName } from "../../core/config.ts";
import { routeSpec } from "./route.ts";
import { page, pageQuery, seconds, UNKNOWN_TENANT } from "./words.ts";

/** Chains that are no tenant's. */
export const INSTALLATION_CHAINS = [UNVERIFIED_CHAIN, INSTALLATION_CHAIN] as const;

const chainName = z.union([tenantName, z.enum(INSTALLATION_CHAINS)])
  .describe("A tenant, `~unverified` for refused attempts, or `~installation` for changes to operators.");
const hash = z.string().regex(/^[0-9a-f]{64}$/).describe("SHA-256 in hex.");
const seq = z.int().min(0);
const note = z.string().min(1).max(16_384);

/** The audit chains. */
export const AUDIT_ROUTES = {
  events: routeSpec({
    id: "listAuditEvents",
    ...{ method: "GET", path: "/audit/events", access: { role: "viewer", scope: "tenant" } },
    summary: "Read a chain in order",
    query: pageQuery(seq, { tenant: chainName.default("default") }),
    answer: {
      status: 200,
      description: "One page, in the order of the chain.",
      schema: page(
        "events",
        z.strictObject({ seq, hash, event: z.looseObject({}).describe("An OCSF event, see audit.md.") }),
        seq,
      ).extend({ tenant: chainName }),
    },
    problems: { 404: [UNKNOWN_TENANT] },
  }),
  verify: routeSpec({
    id: "verifyAuditChain",
    ...{ method: "GET", path: "/audit/verify", access: { role: "viewer", scope: "tenant" } },
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
        head: z.strictObject({ seq, hash }),
        broken: z.strictObject({
          seq,
          what: z.enum([
            ...["missing", "hash", "head", "extra", "checkpoint", "signature", "expected"] as const,
            ...["event", "mixed_chain", "chain_hash", "outcome"] as const,
          ]),
          expected: z.string(),
          found: z.string(),
        }).optional(),
        checkpoint: z.strictObject({ size: seq, root: hash, signed_at: seconds }).optional()
          .describe("The last signed checkpoint that the events were held against."),
        tail: z.strictObject({ events: seq, age_seconds: z.int().min(0) })
          .describe("Events that no checkpoint covers yet, and the age of the oldest."),
        open: seq.describe("Allowed calls whose outcome is still to come."),
        reason: z.string().optional().describe("Why nothing can be said."),
      }),
    },
    problems: { 404: [UNKNOWN_TENANT] },
  }),
} as const;
