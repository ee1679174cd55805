import { Buffer } from "node:buffer";
import type { StoredCheckpoint } from "../audit/log_signer.ts";
import type { PageSource } from "../audit/export/event_pages.ts";
import type { HeldElsewhere } from "../audit/signed_points.ts";
import type { ChainReader } from "../audit/verify.ts";
import { requireChain } from "./audit_access.ts";
import { auditExportRoutes } from "./audit_export.ts";
import { auditLogRoutes } from "./audit_log.ts";
import { auditValuesRoute, type PrivateReader, reasonsOf } from "./audit_values.ts";
import { auditVerifyRoute } from "./audit_verify.ts";
import { AUDIT_ROUTES } from "./contract/audit.ts";
import type { AdminEnvironment } from "./environment.ts";
import { createExportSlots } from "./export_slots.ts";
import { nextAfter } from "./paging.ts";
import { type AdminRoute, reading } from "./route.ts";

/** A signed checkpoint as the database keeps it. */
export type SignedSize = StoredCheckpoint;

/** What the routes read; `store/audit_events.ts`, `store/audit_search.ts` and `store/audit_tree.ts` fit. */
export interface AuditReader extends ChainReader, PageSource, PrivateReader {
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
  /** What is kept of a chain besides the database. */
  heldElsewhere(chain: string): Promise<HeldElsewhere>;
  /** Signs what is there now; the answer does not depend on whether it was possible. */
  sign(chain: string): Promise<unknown>;
}

/** The events of a page begin within so many bytes. */
const MAX_PAGE_BYTES = 2 * 1024 * 1024;

/** The audit chains: reading one in order, recomputing it, its log and its exports. */
export function auditRoutes(environment: AdminEnvironment, log: AuditLog): readonly AdminRoute[] {
  const { reader } = log;
  return [
    reading(AUDIT_ROUTES.events, async ({ operator, query: { tenant, after = 0, limit } }) => {
      await requireChain(environment, operator, tenant);
      const range = { after, upTo: Number.MAX_SAFE_INTEGER };
      const rows = await reader.oldest(tenant, range, [], limit, MAX_PAGE_BYTES);
      const reasons = await reasonsOf(reader, tenant, rows);
      const events = rows.map((row) => ({
        ...{ seq: row.seq, hash: row.hash, event: JSON.parse(row.canonical) },
        ...(reasons.has(row.seq) ? { reason: reasons.get(row.seq)! } : {}),
      }));
      // A page that its bytes have ended is full, too.
      const isLong = rows.reduce((sum, { canonical }) =>
        sum + Buffer.byteLength(canonical), 0) >= MAX_PAGE_BYTES;
      return { tenant, events, next_after: nextAfter(rows, isLong ? rows.length : limit, (row) => row.seq) };
    }),
    auditVerifyRoute(environment, log),
    auditValuesRoute(environment, reader),
    ...auditLogRoutes(environment, log),
    ...auditExportRoutes(environment, log, createExportSlots()),
  ];
}
