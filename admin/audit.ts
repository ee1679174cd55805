import { Hono } from "hono";
import * as z from "zod";
import { type ChainReader, verifyChain } from "../audit/verify.ts";
import { INSTALLATION_CHAIN, UNVERIFIED_CHAIN } from "../core/audit_entry.ts";
import { tenantName } from "../core/config.ts";
import { access } from "./access.ts";
import { readQuery, wholeNumber } from "./body.ts";
import { type AdminApp, type AdminEnvironment, type AdminVariables, requireTenant } from "./environment.ts";
import { nextAfter } from "./paging.ts";

/** Chains that are no tenant's. */
const INSTALLATION_CHAINS = [UNVERIFIED_CHAIN, INSTALLATION_CHAIN] as const;
const chainName = z.union([tenantName, z.enum(INSTALLATION_CHAINS)]);
const eventsQuery = z.strictObject({
  tenant: chainName.default("default"),
  after: wholeNumber(0, Number.MAX_SAFE_INTEGER).default(0),
  limit: wholeNumber(1, 1000).default(100),
});
const verifyQuery = z.strictObject({ tenant: chainName });

/** How long one verification may take before it answers `unproven`. */
const VERIFY_TIMEOUT_MS = 60_000;

/**
 * `GET /events?tenant=&after=&limit=`: events in order after a sequence number.
 * `GET /verify?tenant=`: recomputes the chain.
 */
export function auditRoutes(environment: AdminEnvironment, reader: ChainReader): AdminApp {
  const app: AdminApp = new Hono<AdminVariables>();
  app.get("/events", access("viewer", "tenant"), async (context) => {
    const query = readQuery(context, eventsQuery);
    await requireChain(environment, context.get("operator"), query.tenant);
    const rows = await reader.read(query.tenant, query.after, query.limit);
    const events = rows.map((row) => ({ seq: row.seq, hash: row.hash, event: JSON.parse(row.canonical) }));
    return context.json({
      tenant: query.tenant,
      events,
      next_after: nextAfter(rows, query.limit, (row) => row.seq),
    });
  });
  app.get("/verify", access("viewer", "tenant"), async (context) => {
    const { tenant } = readQuery(context, verifyQuery);
    await requireChain(environment, context.get("operator"), tenant);
    const signal = AbortSignal.timeout(VERIFY_TIMEOUT_MS);
    const { chain: _, ...report } = await verifyChain(reader, environment.source.logId, tenant, signal);
    return context.json({ tenant, ...report });
  });
  return app;
}

/** Chains that are no tenant's belong to operators of every tenant. */
async function requireChain(
  environment: AdminEnvironment,
  operator: AdminVariables["Variables"]["operator"],
  chain: string,
): Promise<void> {
  if (INSTALLATION_CHAINS.some((name) => name === chain) && operator.tenants === "*") return;
  await requireTenant(environment, operator, chain);
}
