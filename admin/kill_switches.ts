import { Hono } from "hono";
import * as z from "zod";
import { INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import { tenantName } from "../core/config.ts";
import type { JsonObject } from "../core/json.ts";
import type { Operator } from "../core/operator.ts";
import type { Tx } from "../core/tx.ts";
import { access } from "./access.ts";
import { plainText, readBody, readQuery, wholeNumber } from "./body.ts";
import {
  type AdminApp,
  type AdminEnvironment,
  type AdminVariables,
  changeEntry,
  requireTenant,
} from "./environment.ts";
import { actsFor } from "./operator.ts";
import { nextAfter } from "./paging.ts";
import { ProblemError } from "./problem.ts";

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

const reason = plainText(500).min(1);
const engageBody = z.discriminatedUnion("scope", [
  z.strictObject({ scope: z.literal("all"), reason }),
  z.strictObject({ scope: z.literal("tenant"), tenant: tenantName, reason }),
  z.strictObject({
    scope: z.literal("upstream"),
    tenant: tenantName.optional(),
    value: plainText(63).min(1),
    reason,
  }),
  z.strictObject({
    scope: z.literal("agent"),
    tenant: tenantName,
    value: plainText(200).min(1),
    reason,
  }),
]);
const releaseBody = z.strictObject({ reason });
const switchNumber = wholeNumber(1, Number.MAX_SAFE_INTEGER);
const engagedQuery = z.strictObject({
  after: wholeNumber(0, Number.MAX_SAFE_INTEGER).default(0),
  limit: wholeNumber(1, 1000).default(100),
});

/**
 * `POST /`: engages a switch. `POST /:number/release`: takes one back. `GET /?after=&limit=`: the engaged ones.
 * Switches add up: what two of them stop goes on only when both are released.
 */
export function killSwitchRoutes(environment: AdminEnvironment, store: KillSwitchStore): AdminApp {
  const app: AdminApp = new Hono<AdminVariables>();
  app.get("/", access("viewer", "own"), async (context) => {
    const { after, limit } = readQuery(context, engagedQuery);
    const { tenants } = context.get("operator");
    const rows = await store.engaged(after, limit, tenants === "*" ? undefined : tenants);
    return context.json({
      kill_switches: rows.map(shown),
      next_after: nextAfter(rows, limit, (row) => row.number),
    });
  });
  app.post("/", access("operator", "tenant"), async (context) => {
    const body = await readBody(context, engageBody);
    const killSwitch = { tenant: undefined, value: undefined, ...body };
    await requireReach(environment, context.get("operator"), killSwitch);
    if (killSwitch.scope === "upstream" && !store.isUpstream(killSwitch.value ?? "")) {
      throw new ProblemError({
        ...{ status: 404, code: "unknown_upstream" },
        detail: `Upstream "${killSwitch.value}" is not configured`,
      });
    }
    const number = await environment.transact(async (tx) => {
      const given = await store.engage(tx, { ...killSwitch, operator: context.get("operator").id });
      await recordChange(environment, context.var, tx, "kill_switch.engaged", {
        ...killSwitch,
        number: given,
      });
      return given;
    });
    return context.json({ number, ...whom(killSwitch) }, 201);
  });
  app.post("/:number/release", access("operator", "tenant"), async (context) => {
    const body = await readBody(context, releaseBody);
    const number = switchNumber.safeParse(context.req.param("number")).data;
    const found = number === undefined ? undefined : await store.findEngaged(number);
    if (found === undefined || !maySee(context.get("operator"), found)) {
      throw notEngaged();
    }
    await requireReach(environment, context.get("operator"), found);
    await environment.transact(async (tx) => {
      const by = { reason: body.reason, operator: context.get("operator").id };
      if (await store.release(tx, found.number, by) === undefined) throw notEngaged();
      await recordChange(environment, context.var, tx, "kill_switch.released", {
        ...found,
        reason: body.reason,
      });
    });
    return context.json({ number: found.number, ...whom(found) });
  });
  return app;
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

async function recordChange(
  environment: AdminEnvironment,
  variables: AdminVariables["Variables"],
  tx: Tx,
  code: "kill_switch.engaged" | "kill_switch.released",
  killSwitch: Omit<EngagedKillSwitch, "operator" | "createdAt">,
): Promise<void> {
  await environment.appendIn(tx, [
    changeEntry(environment, variables, {
      tenant: killSwitch.tenant ?? INSTALLATION_CHAIN,
      ...{ code, activity: code === "kill_switch.engaged" ? 1 : 4, reason: killSwitch.reason },
      entity: { type: "kill_switch", uid: String(killSwitch.number), data: whom(killSwitch) },
    }),
  ]);
}

/** Never says the number: another tenant's switch must read like one that does not exist. */
function notEngaged(): ProblemError {
  const detail = "No kill switch with this number is engaged";
  return new ProblemError({ status: 404, code: "unknown_kill_switch", detail });
}

function whom({ scope, tenant, value }: Pick<EngagedKillSwitch, "scope" | "tenant" | "value">): JsonObject {
  return {
    scope,
    ...(tenant === undefined ? {} : { tenant }),
    ...(value === undefined ? {} : { value }),
  };
}

function shown(row: EngagedKillSwitch): JsonObject {
  const { number, reason, operator, createdAt } = row;
  return { number, ...whom(row), reason, operator, since: Math.floor(createdAt) };
}
