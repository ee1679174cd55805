/** The principal as facts: wire names on one side, `Principal` on the other. */
import type { Facts, Principal } from "./call.ts";
import type { JsonObject, JsonValue } from "./json.ts";

/** The members of `facts.principal` that say who calls; a check may add more beside them. */
export function principalFacts(principal: Principal): JsonObject {
  return {
    tenant: principal.tenant,
    agent: principal.agent,
    root_block_id: principal.blockIds[0],
    block_ids: principal.blockIds,
    delegates: principal.delegates,
    jti: principal.jti,
    issued_at: principal.issuedAt,
    expires_at: principal.expiresAt,
  };
}

/** The principal that the first check established; `undefined` when there is none or any part of it is missing. */
export function principalOf(facts: Facts): Principal | undefined {
  const found = facts.principal;
  if (found === undefined) return undefined;
  const { tenant, agent, block_ids, delegates, jti, issued_at, expires_at } = found;
  if (typeof tenant !== "string" || typeof agent !== "string" || typeof jti !== "string") return undefined;
  if (typeof issued_at !== "number" || typeof expires_at !== "number") return undefined;
  if (!isTexts(block_ids) || block_ids.length === 0 || !isTexts(delegates)) return undefined;
  return {
    tenant,
    agent,
    blockIds: block_ids,
    delegates,
    jti,
    issuedAt: issued_at,
    expiresAt: expires_at,
  };
}

function isTexts(value: JsonValue | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
