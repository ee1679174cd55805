import type { Operator } from "../core/operator.ts";
import { INSTALLATION_CHAINS } from "./contract/audit_words.ts";
import { type AdminEnvironment, requireTenant } from "./environment.ts";

/** Refuses a chain that the operator may not read; those that are no tenant's belong to operators of every tenant. */
export async function requireChain(
  environment: AdminEnvironment,
  operator: Operator,
  chain: string,
): Promise<void> {
  if (INSTALLATION_CHAINS.some((name) => name === chain) && operator.tenants === "*") return;
  await requireTenant(environment, operator, chain);
}
