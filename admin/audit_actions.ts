/** Pruning and erasing: one operator asks, another confirms, and both stand in the chain before anything goes. */
import { createHash } from "node:crypto";
import { confirmerOf, ERASE_CONFIRMED, erasedEntry, type ErasureStep, hasEnded } from "../audit/erasures.ts";
import { planPrune, PrunePlanError } from "../audit/prune_plan.ts";
import { PRUNE_REQUESTED, PRUNED } from "../audit/prune_record.ts";
import { hex } from "../audit/digest.ts";
import type { AppendResult, AuditEntry } from "../core/audit_entry.ts";
import type { JsonObject } from "../core/json.ts";
import { areTwoPersons, type Operator } from "../core/operator.ts";
import type { Tx } from "../core/tx.ts";
import type { AuditLog } from "./audit.ts";
import { requireChain } from "./audit_access.ts";
import { AUDIT_ACTION_ROUTES } from "./contract/audit_actions.ts";
import { INSTALLATION_CHAINS } from "./contract/audit_words.ts";
import { type AdminEnvironment, type AdminVariables, changeEntry } from "./environment.ts";
import { actsFor } from "./operator.ts";
import { nextAfter } from "./paging.ts";
import { ProblemError } from "./problem.ts";
import { type AdminRoute, changing, reading } from "./route.ts";

/** One action that waits, as `store/audit_actions.ts` keeps it. Times are epoch seconds. */
export interface PendingAction {
  readonly id: string;
  readonly chain: string;
  readonly kind: "prune" | "erase";
  readonly details: JsonObject;
  readonly requestedBy: string;
  readonly requestedAt: number;
  readonly expiresAt: number;
  /** Another operator confirmed it, and it is under way. */
  readonly confirmedBy?: string;
  readonly erasing?: Pick<ErasureStep, "seq" | "last" | "salts" | "values">;
}

/** What the routes change; `store/audit_actions.ts`, `store/audit_prunes.ts` and `store/audit_erasures.ts` fit. */
export interface AuditActionStore {
  /** When it expires; `undefined` when too many of the chain wait. */
  request(
    tx: Tx,
    action: Pick<PendingAction, "id" | "chain" | "kind" | "details" | "requestedBy"> & {
      readonly requestSeq: number;
      readonly ttlSeconds: number;
      readonly most: number;
    },
  ): Promise<number | undefined>;
  /** False when it is no longer to be confirmed, or not by this operator. */
  confirm(tx: Tx, id: string, operator: string): Promise<boolean>;
  /** One that waits, and whether the token of its asker was made by `operator` or the other way round. */
  findPending(
    id: string,
    operator: string,
  ): Promise<PendingAction & { readonly isRelated: boolean } | undefined>;
  pending(after: string, limit: number, chains?: readonly string[]): Promise<readonly PendingAction[]>;
  /** For how many days the events of a chain are kept; `undefined` when for ever. */
  retentionDays(chain: string): Promise<number | undefined>;
  /** The last event that is older than so many days, is signed, and has none before it that is still needed. */
  prunableTo(chain: string, days: number): Promise<number>;
  /** Says in the transaction of the event `seq` that it accounts for a confirmed prune. */
  recordPrune(tx: Tx, actionId: string, seq: number): Promise<void>;
  /** Removes the bodies that are accounted for. */
  removeBodies(): Promise<unknown>;
  /** Begins a confirmed erasure, of what the chain has now. */
  beginErasure(tx: Tx, actionId: string, confirmer: JsonObject): Promise<void>;
  /** Removes what fits beside up to `most` more events. */
  stepErasure(tx: Tx, actionId: string, most: number): Promise<ErasureStep | undefined>;
  /** Goes on with erasures that were begun; nobody waits for it. */
  goOnErasing(): void;
}

/** How long an action waits for the second operator. */
const ACTION_TTL_SECONDS = 86_400;
/** Actions of a tenant that may wait at once. */
const MAX_WAITING_ACTIONS = 100;
/** Events that one prune takes: they are all recomputed before. */
const MAX_PRUNED_EVENTS = 500_000;
const TILE_EVENTS = 256;
const PLAN_TIMEOUT_MS = 60_000;
/** Events that the confirmation of an erasure itself looks at; the rest follows, step by step. */
const FIRST_ERASED_EVENTS = 5_000;

/** Routes of both. */
export function auditActionRoutes(
  environment: AdminEnvironment,
  log: AuditLog,
  store: AuditActionStore,
): readonly AdminRoute[] {
  return [
    changing(environment, AUDIT_ACTION_ROUTES.prune, async (request, commit) => {
      const { operator, body: { tenant } } = request;
      await requireChain(environment, operator, tenant);
      requireName(operator);
      const details = await prunable(log, store, tenant);
      return await commit((tx) => ask(environment, request, store, tx, { tenant, kind: "prune", details }));
    }),
    changing(environment, AUDIT_ACTION_ROUTES.erase, async (request, commit) => {
      const { operator, body: { tenant, ...details } } = request;
      await requireChain(environment, operator, tenant);
      requireName(operator);
      requireOneFilter(details);
      const asked = { tenant, kind: "erase" as const, details: withoutAbsent(details) };
      return await commit((tx) => ask(environment, request, store, tx, asked));
    }),
    reading(AUDIT_ACTION_ROUTES.list, async ({ operator: { tenants }, query: { after = "", limit } }) => {
      const rows = await store.pending(after, limit, tenants === "*" ? undefined : tenants);
      return { actions: rows.map(shown), next_after: nextAfter(rows, limit, (row) => row.id) };
    }),
    changing(environment, AUDIT_ACTION_ROUTES.confirm, async (request, commit) => {
      const { operator, params } = request;
      const action = await store.findPending(params.id, operator.id);
      if (action === undefined || !actsFor(operator, action.chain)) throw unknownAction();
      requireSecond(operator, action, action.isRelated);
      if (action.kind === "erase") {
        const committed = await commit((tx) => erase(environment, request, store, tx, action));
        store.goOnErasing();
        return committed;
      }
      await requireStillPrunable(store, action);
      const facts = await pruneFacts(environment, log, action);
      const committed = await commit((tx) => prune(environment, request, store, tx, action, facts));
      await log.sign(action.chain); // the event is signed first; without a signature nothing goes
      await store.removeBodies();
      return committed;
    }),
  ];
}

/** What may go now: whole tiles, so that their hashes stay. */
async function prunable({ reader }: AuditLog, store: AuditActionStore, chain: string) {
  const days = await store.retentionDays(chain);
  if (days === undefined) {
    const setting = INSTALLATION_CHAINS.some((name) => name === chain)
      ? `The configuration has no ${chain.slice(1)}_retention_days`
      : `Tenant "${chain}" has no retention_days`;
    throw conflict("no_retention", `${setting}: all events of the chain are kept`);
  }
  const from = ((await reader.pruned(chain))?.to ?? 0) + 1;
  const last = Math.min(await store.prunableTo(chain, days), from - 1 + MAX_PRUNED_EVENTS);
  const to = last - last % TILE_EVENTS;
  if (to >= from) return { from, to };
  const detail = `Expected ${TILE_EVENTS} events after ${
    from - 1
  } that are signed, settled and older than ${days} days`;
  throw conflict("nothing_to_prune", detail);
}

/** Retention may have changed since somebody asked, for example because of a legal hold. */
async function requireStillPrunable(
  store: AuditActionStore,
  { chain, details }: PendingAction,
): Promise<void> {
  const days = await store.retentionDays(chain);
  const last = days === undefined ? 0 : await store.prunableTo(chain, days);
  if (Number(details.to) <= last) return;
  const now = days === undefined ? "all events of the chain are kept" : `events are kept for ${days} days`;
  throw conflict("not_prunable", `Retention has changed since this was asked for: ${now}`);
}

type Variables = AdminVariables["Variables"];

async function ask(
  environment: AdminEnvironment,
  variables: Variables,
  store: AuditActionStore,
  tx: Tx,
  { tenant, kind, details }: {
    readonly tenant: string;
    readonly kind: PendingAction["kind"];
    readonly details: JsonObject;
  },
) {
  const entry = changeEntry(environment, variables, {
    ...{ tenant, code: kind === "prune" ? PRUNE_REQUESTED : "audit.erase_requested", activity: 1 },
    entity: { type: "audit_range", uid: tenant, data: details },
  });
  const requestSeq = await appendOne(environment, tx, entry);
  const expiresAt = await store.request(tx, {
    ...{ id: entry.eventId, chain: tenant, kind, details, requestedBy: variables.operator.id },
    ...{ requestSeq, ttlSeconds: ACTION_TTL_SECONDS, most: MAX_WAITING_ACTIONS },
  });
  if (expiresAt === undefined) {
    throw conflict("too_many_actions", `Too many actions of tenant "${tenant}" already wait to be confirmed`);
  }
  const answer = { id: entry.eventId, tenant, kind, details, expires_at: Math.floor(expiresAt) };
  return { answer, events: [] };
}

/** What the prune event says, read and recomputed before its transaction. */
async function pruneFacts(
  environment: AdminEnvironment,
  { reader }: AuditLog,
  { id, chain, details }: PendingAction,
): Promise<JsonObject> {
  const [from, to] = [Number(details.from), Number(details.to)];
  const { logId } = environment.source;
  try {
    const signal = AbortSignal.timeout(PLAN_TIMEOUT_MS);
    const plan = await planPrune(reader, { chain, logId, from, to, signal });
    const last = await reader.latestCheckpoint(chain);
    if (last === undefined || last.size < to) throw new PrunePlanError("The events are not signed");
    const checkpoint = createHash("sha256").update(last.note).digest("hex");
    return { ...plan, size: last.size, root: hex(last.root), checkpoint, request: id };
  } catch (error) {
    if (error instanceof PrunePlanError) throw conflict("not_prunable", error.message);
    throw error;
  }
}

async function prune(
  environment: AdminEnvironment,
  variables: Variables,
  store: AuditActionStore,
  tx: Tx,
  action: PendingAction,
  facts: JsonObject,
) {
  await confirmIn(store, tx, action, variables.operator);
  const entry = changeEntry(environment, variables, {
    ...{ tenant: action.chain, code: PRUNED, activity: 4 },
    entity: { type: "audit_range", uid: action.chain, data: facts },
  });
  await store.recordPrune(tx, action.id, await appendOne(environment, tx, entry));
  return { answer: done(action), events: [] };
}

function requireOneFilter(
  { agent, user, event }: { agent?: unknown; user?: unknown; event?: unknown },
): void {
  const given = [agent, user, event].filter((one) => one !== undefined).length;
  if (given === 1) return;
  const detail = `Expected exactly one of "agent", "user" and "event", got ${given}`;
  throw new ProblemError({ status: 422, code: "unusable_filter", detail });
}

async function erase(
  environment: AdminEnvironment,
  variables: Variables,
  store: AuditActionStore,
  tx: Tx,
  action: PendingAction,
) {
  const { operator, sourceIp } = variables;
  await confirmIn(store, tx, action, operator);
  await store.beginErasure(tx, action.id, confirmerOf(operator.role, sourceIp));
  const step = await store.stepErasure(tx, action.id, FIRST_ERASED_EVENTS);
  if (step === undefined) throw new TypeError("Expected an erasure that was just begun");
  const { seq, last, salts, values } = step;
  const confirmed = changeEntry(environment, variables, {
    ...{ tenant: action.chain, code: ERASE_CONFIRMED, activity: 3 },
    entity: {
      ...{ type: "audit_values", uid: action.chain },
      data: { ...action.details, request: action.id, last },
    },
  });
  return hasEnded(step)
    ? {
      answer: { ...done(action), erased: { salts, values } },
      events: [confirmed, erasedEntry(environment, step)],
    }
    : { answer: { ...done(action), erasing: { seq, last, salts, values } }, events: [confirmed] };
}

/** The sequence number of an event that is appended in the transaction. */
async function appendOne(environment: AdminEnvironment, tx: Tx, entry: AuditEntry): Promise<number> {
  const [result]: readonly AppendResult[] = await environment.appendIn(tx, [entry]);
  if (result?.status !== "appended") {
    throw new TypeError("Expected an event without conditions to be appended");
  }
  return result.seq;
}

async function confirmIn(
  store: AuditActionStore,
  tx: Tx,
  action: PendingAction,
  operator: Operator,
): Promise<void> {
  if (!await store.confirm(tx, action.id, operator.id)) throw unknownAction();
}

function requireName(operator: Operator): void {
  if (operator.how === "root") throw forbidden("Expected an operator with a name, not the start-up token");
}

function requireSecond(operator: Operator, { requestedBy }: PendingAction, isRelated: boolean): void {
  requireName(operator);
  const first: Operator = { id: requestedBy, how: "token", role: "admin", tenants: "*" };
  if (!areTwoPersons(first, operator)) {
    throw forbidden(`Expected an operator other than "${requestedBy}", who asked for it`);
  }
  // Whoever makes a token has seen it.
  if (isRelated) {
    throw forbidden(
      `Operator "${operator.id}" and "${requestedBy}" are not two: one made the token of the other`,
    );
  }
}

function forbidden(detail: string): ProblemError {
  return new ProblemError({ status: 403, code: "forbidden", detail });
}

function conflict(code: string, detail: string): ProblemError {
  return new ProblemError({ status: 409, code, detail });
}

/** Also for another tenant's: both must read the same. */
function unknownAction(): ProblemError {
  const { code, detail } = AUDIT_ACTION_ROUTES.confirm.unknown;
  return new ProblemError({ status: 404, code, detail });
}

function done({ id, chain, kind, details, requestedBy }: PendingAction) {
  return { id, tenant: chain, kind, details, requested_by: requestedBy };
}

function shown(action: PendingAction) {
  const { requestedAt, expiresAt, confirmedBy, erasing } = action;
  return {
    ...{ ...done(action), requested_at: Math.floor(requestedAt), expires_at: Math.floor(expiresAt) },
    ...(confirmedBy === undefined ? {} : { confirmed_by: confirmedBy }),
    ...(erasing === undefined ? {} : { erasing }),
  };
}

function withoutAbsent(details: Readonly<Record<string, string | number | undefined>>): JsonObject {
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined)) as JsonObject;
}
