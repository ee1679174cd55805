import { parseVerifierKey } from "../audit/signed_note.ts";
import { type ChainReader, verifyChain, type VerifyReport } from "../audit/verify.ts";
import { AUDIT_ROUTES, INSTALLATION_CHAINS } from "./contract/audit.ts";
import { type AdminEnvironment, type AdminVariables, requireTenant } from "./environment.ts";
import { nextAfter } from "./paging.ts";
import { type AdminRoute, reading } from "./route.ts";

/** How long one verification may take before it answers `unproven`. */
const VERIFY_TIMEOUT_MS = 60_000;

/** What the routes of the audit chains need; `commands/log_parts.ts` joins it. */
export interface AuditLog {
  readonly reader: ChainReader;
  originOf(chain: string): string;
  /** Verifier keys of a log, as lines. */
  verifierKeys(origin: string): readonly string[];
  /** Signs what is there now; the answer does not depend on whether it was possible. */
  sign(chain: string): Promise<unknown>;
}

/** The audit chains: reading one in order, and recomputing it. */
export function auditRoutes(environment: AdminEnvironment, log: AuditLog): readonly AdminRoute[] {
  const { reader } = log;
  return [
    reading(AUDIT_ROUTES.events, async ({ operator, query: { tenant, after = 0, limit } }) => {
      await requireChain(environment, operator, tenant);
      const rows = await reader.read(tenant, after, limit);
      const events = rows.map((row) => ({ seq: row.seq, hash: row.hash, event: JSON.parse(row.canonical) }));
      return { tenant, events, next_after: nextAfter(rows, limit, (row) => row.seq) };
    }),
    reading(AUDIT_ROUTES.verify, async ({ operator, query: { tenant, expected, since } }) => {
      await requireChain(environment, operator, tenant);
      // A chain that is younger than the first round of signing has nothing that it could contradict.
      if (await reader.latestCheckpoint(tenant) === undefined) await log.sign(tenant);
      const origin = log.originOf(tenant);
      return verifyAnswer(
        await verifyChain(reader, {
          ...{ chain: tenant, logId: environment.source.logId, origin, expected, since },
          keys: log.verifierKeys(origin).map(parseVerifierKey),
          ...{ signal: AbortSignal.timeout(VERIFY_TIMEOUT_MS), nowMs: environment.nowMs },
        }),
      );
    }),
  ];
}

function verifyAnswer({ chain, checkpoint, tail, ...report }: VerifyReport) {
  return {
    ...{ tenant: chain, ...report, tail: { events: tail.events, age_seconds: tail.ageSeconds } },
    ...(checkpoint === undefined ? {} : {
      checkpoint: {
        ...{ size: checkpoint.size, root: checkpoint.root, signed_at: Math.floor(checkpoint.signedAt) },
      },
    }),
  };
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
