/** Joins what prunes and erases with the store. */
import type { AuditActionStore } from "../admin/audit_actions.ts";
import type { Erasures } from "../audit/erasures.ts";
import { INSTALLATION_CHAIN, UNVERIFIED_CHAIN } from "../core/audit_entry.ts";
import type { Config } from "../core/config.ts";
import { BODIES_AT_ONCE, type StoreParts } from "./store_parts.ts";

/** Statements with which the confirmation itself removes bodies; a sweep goes on with the rest. */
const STATEMENTS_AT_ONCE = 20;

/** The store of `auditActionRoutes`. */
export function auditActionStore(
  { db, auditActions, auditPrunes, auditErasures, tenants }: StoreParts,
  config: Pick<Config, "unverified_retention_days" | "installation_retention_days">,
  erasures: Erasures,
): AuditActionStore {
  return {
    request: (tx, action) => auditActions.request(tx, action),
    confirm: (tx, id, operator) => auditActions.confirm(tx, id, operator),
    findPending: (id, operator) => db.deadline(auditActions.findPending(id, operator)),
    pending: (after, limit, chains) => db.deadline(auditActions.pending(after, limit, chains)),
    retentionDays: async (chain) => {
      if (chain === UNVERIFIED_CHAIN) return config.unverified_retention_days;
      if (chain === INSTALLATION_CHAIN) return config.installation_retention_days;
      const days = (await db.deadline(tenants.find(chain)))?.settings.retention_days;
      return typeof days === "number" ? days : undefined;
    },
    prunableTo: (chain, days) => db.deadline(auditPrunes.prunableTo(chain, days)),
    recordPrune: (tx, actionId, seq) => auditPrunes.record(tx, actionId, seq),
    removeBodies: async () => {
      for (let statement = 0; statement < STATEMENTS_AT_ONCE; statement++) {
        if (await db.deadline(auditPrunes.removeBodies(BODIES_AT_ONCE)) < BODIES_AT_ONCE) return;
      }
    },
    beginErasure: (tx, actionId, confirmer) => auditErasures.begin(tx, actionId, confirmer),
    stepErasure: (tx, actionId, most) => auditErasures.step(tx, actionId, most),
    goOnErasing: () => erasures.wake(),
  };
}
