import { Hono } from "hono";
import * as z from "zod";
import { tenantName } from "../core/config.ts";
import type { JsonObject } from "../core/json.ts";
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
import { nextAfter } from "./paging.ts";
import { ProblemError } from "./problem.ts";

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

const description = plainText(500);
const settingsBody = z.strictObject({ description: description.optional() });
const createBody = z.strictObject({ name: tenantName, settings: settingsBody.default({}) });
const patchBody = z.strictObject({
  version: z.int().min(1),
  settings: z.strictObject({ description: description.nullable().optional() }),
});
const listQuery = z.strictObject({
  after: z.union([z.literal(""), tenantName]).default(""),
  limit: wholeNumber(1, 1000).default(100),
});

/** `POST /`, `GET /`, `GET /{name}`, `PATCH /{name}`: tenants and their settings. */
export function tenantRoutes(environment: AdminEnvironment, store: TenantStore): AdminApp {
  const app: AdminApp = new Hono<AdminVariables>();
  app.post("/", access("admin", "all"), async (context) => {
    const { name, settings } = await readBody(context, createBody);
    const created = await environment.transact(async (tx) => {
      const tenant = await store.create(tx, name, members(settings));
      if (tenant === undefined) throw conflict("tenant_exists", `Tenant "${name}" exists already`);
      await record(environment, tx, context.var, "tenant.created", tenant);
      return tenant;
    });
    await store.changed();
    return context.json(shown(created), 201);
  });
  app.get("/", access("viewer", "own"), async (context) => {
    const { after, limit } = readQuery(context, listQuery);
    const { tenants } = context.get("operator");
    const rows = await store.page(after, limit, tenants === "*" ? undefined : tenants);
    return context.json({ tenants: rows.map(shown), next_after: nextAfter(rows, limit, (row) => row.name) });
  });
  app.get("/:name", access("viewer", "tenant"), async (context) => {
    return context.json(
      shown(await requireFound(environment, store, context.var, context.req.param("name"))),
    );
  });
  app.patch("/:name", access("admin", "tenant"), async (context) => {
    const body = await readBody(context, patchBody);
    const found = await requireFound(environment, store, context.var, context.req.param("name"));
    const changed = await change(environment, store, context.var, found, body);
    await store.changed();
    return context.json(shown(changed));
  });
  return app;
}

async function change(
  environment: AdminEnvironment,
  store: TenantStore,
  variables: AdminVariables["Variables"],
  found: ListedTenant,
  { version, settings }: z.infer<typeof patchBody>,
): Promise<ListedTenant> {
  const stale = (now: string) =>
    conflict("version_conflict", `Expected version ${version} of tenant "${found.name}", found ${now}`);
  if (found.version !== version) throw stale(String(found.version));
  return await environment.transact(async (tx) => {
    const next = members({ ...found.settings, ...settings });
    const changed = await store.update(tx, found.name, version, next);
    if (changed === undefined) throw stale("a newer one");
    await record(environment, tx, variables, "tenant.updated", changed);
    return changed;
  });
}

async function requireFound(
  environment: AdminEnvironment,
  store: TenantStore,
  { operator }: AdminVariables["Variables"],
  name: string,
): Promise<ListedTenant> {
  const shortName = name.slice(0, 100);
  await requireTenant(environment, operator, shortName);
  const found = await store.find(shortName);
  if (found === undefined) throw new TypeError(`Tenant "${shortName}" exists but cannot be read`);
  return found;
}

async function record(
  environment: AdminEnvironment,
  tx: Tx,
  variables: AdminVariables["Variables"],
  code: "tenant.created" | "tenant.updated",
  { name, version, settings }: ListedTenant,
): Promise<void> {
  const entity = { type: "tenant", uid: name, data: { version, settings } };
  const activity = code === "tenant.created" ? 1 : 3;
  await environment.appendIn(tx, [
    changeEntry(environment, variables, { tenant: name, code, activity, entity }),
  ]);
}

/** Settings without the members that are not set; null takes one away. */
function members(settings: Readonly<Record<string, unknown>>): JsonObject {
  const set = Object.entries(settings).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(set) as JsonObject;
}

function shown({ name, version, settings, createdAt }: ListedTenant) {
  return { name, version, settings, created_at: Math.floor(createdAt) };
}

function conflict(code: string, detail: string): ProblemError {
  return new ProblemError({ status: 409, code, detail });
}
