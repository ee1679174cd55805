import type * as z from "zod";
import type { AuditEntry } from "../core/audit_entry.ts";
import type { JsonObject } from "../core/json.ts";
import type { Operator } from "../core/operator.ts";
import type { Tx } from "../core/tx.ts";
import { TENANT_ROUTES, type tenantSchema } from "./contract/tenants.ts";
import { type AdminEnvironment, type AdminVariables, changeEntry, requireTenant } from "./environment.ts";
import { nextAfter } from "./paging.ts";
import { ProblemError } from "./problem.ts";
import { type AdminRoute, changing, reading } from "./route.ts";

/** One tenant with its settings. `createdAt` in epoch seconds. */
export interface ListedTenant {
  readonly name: string;
  readonly version: number;
  readonly settings: JsonObject;
  readonly createdAt: number;
}

/** What the tenant routes change; `store/` fits. */
export interface TenantStore {
  create(tx: Tx, name: string, settings: JsonObject): Promise<ListedTenant | undefined>;
  update(tx: Tx, name: string, version: number, settings: JsonObject): Promise<ListedTenant | undefined>;
  find(name: string): Promise<ListedTenant | undefined>;
  page(afterName: string, limit: number, only?: readonly string[]): Promise<readonly ListedTenant[]>;
  /** Called after a change has committed: this replica sees it before the change is answered. */
  changed(): Promise<void>;
}

/** Tenants and their settings. */
export function tenantRoutes(environment: AdminEnvironment, store: TenantStore): readonly AdminRoute[] {
  return [
    changing(environment, TENANT_ROUTES.create, async (request, commit) => {
      const { name, settings } = request.body;
      const committed = await commit(async (tx) => {
        const tenant = await store.create(tx, name, members(settings));
        if (tenant === undefined) throw conflict("tenant_exists", `Tenant "${name}" exists already`);
        return {
          answer: shown(tenant),
          events: [entryOf(environment, request, "tenant.created", tenant)],
        };
      });
      await store.changed();
      return committed;
    }),
    reading(TENANT_ROUTES.list, async ({ operator: { tenants }, query: { after = "", limit } }) => {
      const rows = await store.page(after, limit, tenants === "*" ? undefined : tenants);
      return { tenants: rows.map(shown), next_after: nextAfter(rows, limit, (row) => row.name) };
    }),
    reading(
      TENANT_ROUTES.show,
      async ({ operator, params }) => shown(await requireFound(environment, store, operator, params.name)),
    ),
    changing(environment, TENANT_ROUTES.update, async (request, commit) => {
      const { version, settings } = request.body;
      const found = await requireFound(environment, store, request.operator, request.params.name);
      if (found.version !== version) throw stale(found.name, version, String(found.version));
      const committed = await commit(async (tx) => {
        const next = members({ ...found.settings, ...settings });
        const changed = await store.update(tx, found.name, version, next);
        if (changed === undefined) throw stale(found.name, version, "a newer one");
        return {
          answer: shown(changed),
          events: [entryOf(environment, request, "tenant.updated", changed)],
        };
      });
      await store.changed();
      return committed;
    }),
  ];
}

function stale(name: string, version: number, now: string): ProblemError {
  const detail = `Expected version ${version} of tenant "${name}", found ${now}`;
  return conflict("version_conflict", detail);
}

async function requireFound(
  environment: AdminEnvironment,
  store: TenantStore,
  operator: Operator,
  name: string,
): Promise<ListedTenant> {
  await requireTenant(environment, operator, name);
  const found = await store.find(name);
  if (found === undefined) throw new TypeError(`Tenant "${name}" exists but cannot be read`);
  return found;
}

function entryOf(
  environment: AdminEnvironment,
  variables: AdminVariables["Variables"],
  code: "tenant.created" | "tenant.updated",
  { name, version, settings }: ListedTenant,
): AuditEntry {
  const { description, ...rest } = settings;
  return changeEntry(environment, variables, {
    ...{ tenant: name, code, activity: code === "tenant.created" ? 1 : 3 },
    entity: { type: "tenant", uid: name, data: { version, settings: rest } },
    description: typeof description === "string" ? description : undefined,
  });
}

/** Settings without the members that are not set; null takes one away. */
function members(settings: Readonly<Record<string, unknown>>): JsonObject {
  const set = Object.entries(settings).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(set) as JsonObject;
}

function shown({ name, version, settings, createdAt }: ListedTenant): z.input<typeof tenantSchema> {
  return { name, version, settings, created_at: Math.floor(createdAt) };
}

function conflict(code: string, detail: string): ProblemError {
  return new ProblemError({ status: 409, code, detail });
}
