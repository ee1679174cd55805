/** Words that the routes of the audit record share. */
import * as z from "zod";
import { INSTALLATION_CHAIN, UNVERIFIED_CHAIN } from "../../core/audit_entry.ts";
import { tenantName } from "../../core/config.ts";
import { plainText, seconds } from "./words.ts";

/** Chains that are no tenant's. */
export const INSTALLATION_CHAINS = [UNVERIFIED_CHAIN, INSTALLATION_CHAIN] as const;

export const chainName = z.union([tenantName, z.enum(INSTALLATION_CHAINS)])
  .describe("A tenant, `~unverified` for refused attempts, or `~installation` for changes to operators.");

export const sha256 = z.string().regex(/^[0-9a-f]{64}$/).describe("SHA-256 in hex.");

export const seq = z.int().min(0);

/** A signed note in a query. */
export const note = z.string().min(1).max(16_384);

/** How many witnesses must stand under a checkpoint. */
export const cosigned = z.int().min(0).max(16).default(0)
  .describe("Not the newest checkpoint, but the newest that so many witnesses have cosigned.");

/** The problem of what no signed checkpoint covers. */
export const NOT_IN_LOG = {
  code: "not_in_log",
  when: "There is nothing of this kind, or the last signed checkpoint does not cover it.",
} as const;

/** The problem of events whose bodies are gone. */
export const GONE = {
  code: "pruned",
  when: "The bodies of these events were pruned; their hashes stand in the tiles.",
} as const;

/** What events must be like to be found, streamed or exported; `audit/event_terms.ts` does it. */
export const eventTerms = {
  agent: plainText(1, 256).optional().describe("Only events of this agent."),
  upstream: plainText(1, 63).optional().describe("Only events about this upstream."),
  tool: plainText(1, 256).optional().describe("Only events about this tool."),
  decision: z.enum(["allow", "block", "escalate"]).optional().describe("Only these decisions."),
  check: plainText(1, 63).optional().describe("Only decisions that this check made."),
  code: plainText(1, 63).optional().describe("Only events with this `status_code`."),
  event_code: plainText(1, 63).optional().describe("Only events of this kind, `call.decided` for example."),
  block_id: plainText(1, 64).optional()
    .describe("Only events of tokens with this block, and about the block itself."),
  approval: plainText(1, 64).optional().describe("Only events about this approval."),
  decision_id: plainText(1, 64).optional().describe("Only the decision with this id and its outcome."),
  from_time: seconds.optional().describe("Only events from this time on, epoch seconds."),
  to_time: seconds.optional().describe("Only events before this time, epoch seconds."),
};
