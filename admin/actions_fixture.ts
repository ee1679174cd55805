/** Actions in memory that wait for a second operator: one of each tenant, asked for by "asker-of-old". */
import type { ErasureStep } from "../audit/erasures.ts";
import type { AuditActionStore, PendingAction } from "./audit_actions.ts";

/** Token of an admin with a name, who has asked for nothing. */
export const NAMED_TOKEN = `igo_${"n".repeat(43)}`;

/** Who asked for the actions that wait. */
export const OLD_ASKER = "asker-of-old";

/** What the tables of the fixture say. */
export interface ActionState {
  retentionDays: number | undefined;
  prunableTo: number;
  hasRoom: boolean;
  areRelated: boolean;
  /** Events of every chain when an erasure is confirmed. */
  chainEvents: number;
  /** How often somebody wanted erasures to go on. */
  goneOn: number;
}

/** The state of a tenant that has something to prune. */
export const PRUNABLE: ActionState = {
  ...{ retentionDays: 30, prunableTo: 300, hasRoom: true, areRelated: false },
  ...{ chainEvents: 10, goneOn: 0 },
};

/** A store with an erasure to confirm, `erase-<tenant>`, and a prune of more than there is, `prune-<tenant>`. */
export function actionTable(state: ActionState, tenants: readonly string[]): AuditActionStore {
  const times = { requestedBy: OLD_ASKER, requestedAt: 1_700_000_000.5, expiresAt: 1_700_086_400 };
  const rows = new Map<string, PendingAction>(tenants.flatMap((chain) => {
    const erase: PendingAction = {
      ...{ id: `erase-${chain}`, chain, kind: "erase", ...times },
      details: { agent: "bot" },
    };
    const prune: PendingAction = {
      ...{ id: `prune-${chain}`, chain, kind: "prune", ...times },
      details: { from: 1, to: 256 },
    };
    return [[erase.id, erase] as const, [prune.id, prune] as const];
  }));
  const erasures = new Map<string, PendingAction & { readonly step: ErasureStep }>();
  return {
    request: (_tx, action) => {
      if (!state.hasRoom) return Promise.resolve(undefined);
      rows.set(action.id, { ...action, requestedAt: times.requestedAt, expiresAt: times.expiresAt });
      return Promise.resolve(times.expiresAt);
    },
    confirm: (_tx, id, operator) => {
      const row = rows.get(id);
      if (row === undefined || row.requestedBy === operator) return Promise.resolve(false);
      const begun = { actionId: id, chain: row.chain, details: row.details, confirmedBy: operator };
      const step = { ...begun, confirmer: {}, seq: 0, last: state.chainEvents, salts: 3, values: 5 };
      erasures.set(id, { ...row, step });
      return Promise.resolve(rows.delete(id));
    },
    findPending: (id) => {
      const row = rows.get(id);
      return Promise.resolve(row && { ...row, isRelated: state.areRelated });
    },
    pending: (after, limit, chains) =>
      Promise.resolve(
        [...rows.values(), ...underWay(erasures.values())].filter(({ id, chain }) =>
          id > after && (chains?.includes(chain) ?? true)
        )
          .sort((left, right) => left.id < right.id ? -1 : 1).slice(0, limit),
      ),
    retentionDays: () => Promise.resolve(state.retentionDays),
    prunableTo: () => Promise.resolve(state.prunableTo),
    recordPrune: () => Promise.resolve(),
    removeBodies: () => Promise.resolve(),
    beginErasure: () => Promise.resolve(),
    stepErasure: (_tx, id, most) => {
      const erasure = erasures.get(id);
      if (erasure === undefined) return Promise.resolve(undefined);
      const step = { ...erasure.step, seq: Math.min(erasure.step.seq + most, erasure.step.last) };
      erasures.set(id, { ...erasure, step });
      return Promise.resolve(step);
    },
    goOnErasing: () => void state.goneOn++,
  };
}

function* underWay(
  erasures: Iterable<PendingAction & { readonly step: ErasureStep }>,
): Generator<PendingAction> {
  for (const { step: { seq, last, salts, values, confirmedBy }, ...row } of erasures) {
    if (row.kind === "erase" && seq < last) {
      yield { ...row, confirmedBy, erasing: { seq, last, salts, values } };
    }
  }
}
