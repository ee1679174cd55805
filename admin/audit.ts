import type { StoredCheckpoint } from "../audit/log_signer.ts";
import { parseVerifierKey } from "../audit/signed_note.ts";
import { type ChainReader, verifyChain, type VerifyReport } from "../audit/verify.ts";
import { requireChain } from "./audit_access.ts";
import { auditExportRoutes } from "./audit_export.ts";
import { auditLogRoutes } from "./audit_log.ts";
import { auditValuesRoute, type PrivateReader, reasonsOf } from "./audit_values.ts";
import { AUDIT_ROUTES } from "./contract/audit.ts";
import type { AdminEnvironment } from "./environment.ts";
import { createExportSlots } from "./export_slots.ts";
import { nextAfter } from "./paging.ts";
import { type AdminRoute, reading } from "./route.ts";

/** How long one verification may take before it answers `unproven`. */
const VERIFY_TIMEOUT_MS = 60_000;

/** A signed checkpoint as the database keeps it. */
export type SignedSize = StoredCheckpoint;

/** What the routes read; `store/audit_events.ts` and `store/audit_tree.ts` fit. */
export interface AuditReader extends ChainReader, PrivateReader {
  /** The newest checkpoint under which at least so many witnesses have signed. */
  latestCosigned(chain: string, witnesses: number): Promise<SignedSize | undefined>;
  /** Signature lines of witnesses under the checkpoint of this size, each ending with a line break. */
  cosignatures(chain: string, size: number): Promise<readonly string[]>;
}

/** What the routes of the audit chains need; `commands/admin_parts.ts` joins it. */
export interface AuditLog {
  readonly reader: AuditReader;
  originOf(chain: string): string;
  /** Verifier keys of a log, as lines. */
  verifierKeys(origin: string): readonly string[];
  /** Verifier keys of the witnesses, as lines. */
  witnessKeys(): readonly string[];
  /** Signs what is there now; the answer does not depend on whether it was possible. */
  sign(chain: string): Promise<unknown>;
}

/** The audit chains: reading one in order, recomputing it, its log and its exports. */
export function auditRoutes(environment: AdminEnvironment, log: AuditLog): readonly AdminRoute[] {
  const { reader } = log;
  return [
    reading(AUDIT_ROUTES.events, async ({ operator, query: { tenant, after = 0, limit } }) => {
      await requireChain(environment, operator, tenant);
      const rows = await reader.read(tenant, after, limit);
      const reasons = await reasonsOf(reader, tenant, rows);
      const events = rows.map((row) => ({
        ...{ seq: row.seq, hash: row.hash, event: JSON.parse(row.canonical) },
        ...(reasons.has(row.seq) ? { reason: reasons.get(row.seq)! } : {}),
      }));
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
    auditValuesRoute(environment, reader),
    ...auditLogRoutes(environment, log),
    ...auditExportRoutes(environment, log, createExportSlots()),
  ];
}

function verifyAnswer({ chain, checkpoint, verifiedTo, tail, ...report }: VerifyReport) {
  return {
    ...{ tenant: chain, ...report, tail: { events: tail.events, age_seconds: tail.ageSeconds } },
    ...(checkpoint === undefined ? {} : {
      checkpoint: {
        ...{ size: checkpoint.size, root: checkpoint.root, note: checkpoint.note },
        signed_at: Math.floor(checkpoint.signedAt),
      },
    }),
    ...(verifiedTo === undefined ? {} : { verified_to: verifiedTo }),
  };
}
