import * as z from "zod";
import { tenantName } from "../../core/config.ts";
import { routeSpec } from "./route.ts";
import { base64url, number, page, pageQuery, reason, seconds, tenantQuery, UNKNOWN_TENANT } from "./words.ts";

const blockId = base64url(32);

/** A block is named by its id, or by the token whose first block it is. */
const revocationBody = z.union([
  z.strictObject({ tenant: tenantName, block_id: blockId, reason }),
  z.strictObject({ tenant: tenantName, jti: base64url(16), reason }),
], { error: 'expected {tenant, reason} and either "jti" or "block_id"' }).meta({
  examples: [{ tenant: "default", block_id: "A".repeat(43), reason: "The laptop was stolen" }],
});

/** Revocations of blocks. */
export const REVOCATION_ROUTES = {
  revoke: routeSpec({
    id: "revoke",
    ...{ method: "POST", path: "/revocations", access: { role: "operator", scope: "tenant" } },
    summary: "Revoke a block and every token that contains it",
    body: revocationBody,
    answer: {
      status: 201,
      description: "In force on every replica within a second. It cannot be taken back.",
      schema: z.strictObject({ number, tenant: tenantName, block_id: blockId }),
    },
    problems: {
      404: [UNKNOWN_TENANT, {
        code: "unknown_token",
        when: "This database minted no token with this `jti` for the tenant.",
      }],
    },
  }),
  list: routeSpec({
    id: "listRevocations",
    ...{ method: "GET", path: "/revocations", access: { role: "viewer", scope: "tenant" } },
    summary: "List the revocations of a tenant, oldest first",
    query: pageQuery(number, { tenant: tenantQuery }),
    answer: {
      status: 200,
      description: "One page, in the order of their numbers.",
      schema: page(
        "revocations",
        z.strictObject({
          ...{ number, tenant: tenantName, block_id: blockId },
          reason: z.string(),
          operator: z.string().describe("Who revoked it."),
          created_at: seconds,
        }),
        number,
      ),
    },
    problems: { 404: [UNKNOWN_TENANT] },
  }),
} as const;
