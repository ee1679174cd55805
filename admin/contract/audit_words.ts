/** Words that the routes of the audit record share. */
import * as z from "zod";
import { INSTALLATION_CHAIN, UNVERIFIED_CHAIN } from "../../core/audit_entry.ts";
import { tenantName } from "../../core/config.ts";

/** Chains that are no tenant's. */
export const INSTALLATION_CHAINS = [UNVERIFIED_CHAIN, INSTALLATION_CHAIN] as const;

export const chainName = z.union([tenantName, z.enum(INSTALLATION_CHAINS)])
  .describe("A tenant, `~unverified` for refused attempts, or `~installation` for changes to operators.");

export const sha256 = z.string().regex(/^[0-9a-f]{64}$/).describe("SHA-256 in hex.");

export const seq = z.int().min(0);

/** A signed note in a query. */
export const note = z.string().min(1).max(16_384);

/** The problem of what no signed checkpoint covers. */
export const NOT_IN_LOG = {
  code: "not_in_log",
  when: "There is nothing of this kind, or the last signed checkpoint does not cover it.",
} as const;
