import { type AuditEntry, INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import type { Operator } from "../core/operator.ts";
import type { Tx } from "../core/tx.ts";
import { KILL_SWITCH_ROUTES } from "./contract/kill_switches.ts";
import { type AdminEnvironment, type AdminVariables, changeEntry, requireTenant } from "./environment.ts";
import { actsFor } from "./operator.ts";
import { nextAfter } from "./paging.ts";
import { ProblemError } from "./problem.ts";
import { type AdminRoute, changing, reading } from "./route.ts";

/** One engaged switch, as `store/kill_switches.ts` keeps it. */
export interface EngagedKillSwitch {
  readonly number: number;
  readonly scope: "all" | "tenant" | "upstream" | "agent";
  readonly tenant?: string | undefined;
  readonly value?: string | undefined;
  readonly reason: string;
  readonly operator: string;
  /** Epoch seconds. */
  readonly createdAt: number;
}

/** What the routes change; `store/` fits. */
export interface KillSwitchStore {
  engage(tx: Tx, killSwitch: Omit<EngagedKillSwitch, "number" | "createdAt">): Promise<number>;
  /** `undefined` when the switch is not engaged. */
  release(
    tx: Tx,
    number: number,
    by: { readonly reason: string; readonly operator: string },
  ): Promise<number | undefined>;
  /** After a number, in order; `tenants` leaves out switches of all other tenants. */
  engaged(after: number, limit: number, tenants?: readonly string[]): Promise<readonly EngagedKillSwitch[]>;
  findEngaged(number: number): Promise<EngagedKillSwitch | undefined>;
  /** A switch for an upstream that nobody can call would look like one that works. */
  isUpstream(name: string): boolean;
}

/** Kill switches. They add up: what two of them stop goes on only when both are released. */
export function killSwitchRoutes(
  environment: AdminEnvironment,
  store: KillSwitchStore,
): readonly AdminRoute[] {
  return [
    reading(KILL_SWITCH_ROUTES.list, async ({ operator: { tenants }, query: { after = 0, limit } }) => {
      const rows = await store.engaged(after, limit, tenants === "*" ? undefined : tenants);
      return { kill_switches: rows.map(shown), next_after: nextAfter(rows, limit, (row) => row.number) };
    }),
    changing(environment, KILL_SWITCH_ROUTES.engage, async (request, commit) => {
      const killSwitch = { tenant: undefined, value: undefined, ...request.body };
      await requireReach(environment, request.operator, killSwitch);
      requireUpstream(store, killSwitch);
      return await commit(async (tx) => {
        const number = await store.engage(tx, { ...killSwitch, operator: request.operator.id });
        return {
          answer: { number, ...whom(killSwitch) },
          events: [entryOf(environment, request, "kill_switch.engaged", { ...killSwitch, number })],
        };
      });
    }),
    changing(environment, KILL_SWITCH_ROUTES.release, async (request, commit) => {
      const { operator, params, body: { reason } } = request;
      const found = await store.findEngaged(params.number);
      if (found === undefined || !maySee(operator, found)) throw notEngaged();
      await requireReach(environment, operator, found);
      return await commit(async (tx) => {
        const by = { reason, operator: operator.id };
        if (await store.release(tx, found.number, by) === undefined) throw notEngaged();
        return {
          answer: { number: found.number, ...whom(found) },
          events: [entryOf(environment, request, "kill_switch.released", { ...found, reason })],
        };
      });
    }),
  ];
}

/** What no single tenant is concerned by, only an operator of every tenant may switch. */
async function requireReach(
  environment: AdminEnvironment,
  operator: Operator,
  { tenant, scope }: Pick<EngagedKillSwitch, "tenant" | "scope">,
): Promise<void> {
  if (tenant !== undefined) return await requireTenant(environment, operator, tenant);
  if (operator.tenants === "*") return;
  throw new ProblemError({
    ...{ status: 403, code: "forbidden" },
    detail: `A kill switch with scope "${scope}" and no tenant takes an operator of every tenant`,
  });
}

function maySee(operator: Operator, { tenant }: EngagedKillSwitch): boolean {
  return tenant === undefined || actsFor(operator, tenant);
}

function requireUpstream(store: KillSwitchStore, { scope, value = "" }: ConcernedBy): void {
  if (scope !== "upstream" || store.isUpstream(value)) return;
  const detail = `Upstream "${value}" is not configured`;
  throw new ProblemError({ status: 404, code: "unknown_upstream", detail });
}

function entryOf(
  environment: AdminEnvironment,
  variables: AdminVariables["Variables"],
  code: "kill_switch.engaged" | "kill_switch.released",
  killSwitch: Omit<EngagedKillSwitch, "operator" | "createdAt">,
): AuditEntry {
  return changeEntry(environment, variables, {
    tenant: killSwitch.tenant ?? INSTALLATION_CHAIN,
    ...{ code, activity: code === "kill_switch.engaged" ? 1 : 4, reason: killSwitch.reason },
    entity: { type: "kill_switch", uid: String(killSwitch.number), data: whom(killSwitch) },
  });
}

/** Never says the number: another tenant's switch must read like one that does not exist. */
function notEngaged(): ProblemError {
  const { code, detail } = KILL_SWITCH_ROUTES.release.unknown;
  return new ProblemError({ status: 404, code, detail });
}

type ConcernedBy = Pick<EngagedKillSwitch, "scope" | "tenant" | "value">;

function whom({ scope, tenant, value }: ConcernedBy) {
  return {
    scope,
    ...(tenant === undefined ? {} : { tenant }),
    ...(value === undefined ? {} : { value }),
  };
}

function shown(row: EngagedKillSwitch) {
  const { number, reason, operator, createdAt } = row;
  return { number, ...whom(row), reason, operator, since: Math.floor(createdAt) };
}
