import { Hono } from "hono";
import * as z from "zod";
import { INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import { encodeBase64url } from "../core/base64url.ts";
import { tenantName } from "../core/config.ts";
import type { JsonObject } from "../core/json.ts";
import type { OperatorRole } from "../core/operator.ts";
import type { Tx } from "../core/tx.ts";
import { access } from "./access.ts";
import { readBody, readQuery, wholeNumber } from "./body.ts";
import { type AdminApp, type AdminEnvironment, type AdminVariables, changeEntry } from "./environment.ts";
import { operatorDigest } from "./operator.ts";
import { nextAfter } from "./paging.ts";
import { ProblemError } from "./problem.ts";

/** One named operator, as it is listed. Times are epoch seconds. */
export interface ListedOperator {
  readonly id: string;
  readonly role: OperatorRole;
  readonly tenants: "*" | readonly string[];
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number;
  readonly disabledAt: number | undefined;
}

/** What the operator routes change; `store/` fits. */
export interface OperatorStore {
  insert(tx: Tx, operator: {
    readonly id: string;
    readonly tokenSha256: Uint8Array;
    readonly role: OperatorRole;
    readonly tenants: "*" | readonly string[];
    readonly ttlSeconds: number;
    readonly createdBy: string;
  }): Promise<number | undefined>;
  list(afterId: string, limit: number): Promise<readonly ListedOperator[]>;
  disable(tx: Tx, id: string): Promise<boolean>;
  /** Those of the given tenants that exist. */
  knownTenants(tx: Tx, names: readonly string[]): Promise<readonly string[]>;
}

const MAX_TTL_SECONDS = 366 * 86_400;

/** Names of operators; `root` is the one of the start-up token. */
const operatorId = z.string()
  .regex(/^[a-z0-9][a-z0-9._@-]{0,62}$/, "an operator id matches [a-z0-9][a-z0-9._@-]{0,62}")
  .refine((id) => id !== "root", '"root" is the operator of the start-up token');

const operatorBody = z.strictObject({
  id: operatorId,
  role: z.enum(["viewer", "operator", "admin"]),
  tenants: z.union([
    z.literal("*"),
    z.array(tenantName).min(1).max(100)
      .refine((names) => new Set(names).size === names.length, "a tenant stands there twice"),
  ]),
  ttl_seconds: z.int().min(60).max(MAX_TTL_SECONDS),
});

const listQuery = z.strictObject({
  after: z.union([z.literal(""), operatorId]).default(""),
  limit: wholeNumber(1, 1000).default(100),
});

/** `POST /`, `GET /`, `DELETE /{id}`: operators by name, each with one token that is shown once. */
export function operatorRoutes(environment: AdminEnvironment, store: OperatorStore): AdminApp {
  const app: AdminApp = new Hono<AdminVariables>();
  app.post("/", access("admin", "all"), async (context) => {
    const body = await readBody(context, operatorBody);
    const token = `igo_${encodeBase64url(environment.randomBytes(32))}`;
    const expiresAt = await create(environment, store, context.var, body, token);
    const { ttl_seconds: _, ...rest } = body;
    return context.json({ token, ...rest, expires_at: expiresAt }, 201);
  });
  app.get("/", access("admin", "all"), async (context) => {
    const { after, limit } = readQuery(context, listQuery);
    const rows = await store.list(after, limit);
    return context.json({ operators: rows.map(shown), next_after: nextAfter(rows, limit, (row) => row.id) });
  });
  app.delete("/:id", access("admin", "all"), async (context) => {
    const id = context.req.param("id");
    await disable(environment, store, context.var, id);
    return context.json({ id, disabled: true });
  });
  return app;
}

async function create(
  environment: AdminEnvironment,
  store: OperatorStore,
  variables: AdminVariables["Variables"],
  body: z.infer<typeof operatorBody>,
  token: string,
): Promise<number> {
  const { id, role, tenants } = body;
  return await environment.transact(async (tx) => {
    if (tenants !== "*") await requireKnown(store, tx, tenants);
    const expiresAt = await store.insert(tx, {
      ...{ id, role, tenants, tokenSha256: operatorDigest(token), ttlSeconds: body.ttl_seconds },
      createdBy: variables.operator.id,
    });
    if (expiresAt === undefined) {
      const detail = `Operator "${id}" has a token that is still valid; delete the operator first`;
      throw new ProblemError({ status: 409, code: "operator_exists", detail });
    }
    const data = { role, tenants, expires_at: expiresAt };
    await environment.appendIn(tx, [operatorChange(environment, variables, "operator.created", 1, id, data)]);
    return expiresAt;
  });
}

async function disable(
  environment: AdminEnvironment,
  store: OperatorStore,
  variables: AdminVariables["Variables"],
  id: string,
): Promise<void> {
  await environment.transact(async (tx) => {
    if (!operatorId.safeParse(id).success || !await store.disable(tx, id)) {
      const detail = `Operator "${id.slice(0, 100)}" does not exist`;
      throw new ProblemError({ status: 404, code: "unknown_operator", detail });
    }
    await environment.appendIn(tx, [operatorChange(environment, variables, "operator.deleted", 4, id, {})]);
  });
}

async function requireKnown(store: OperatorStore, tx: Tx, names: readonly string[]): Promise<void> {
  const known = new Set(await store.knownTenants(tx, names));
  const missing = names.find((name) => !known.has(name));
  if (missing === undefined) return;
  throw new ProblemError({
    status: 404,
    code: "unknown_tenant",
    detail: `Tenant "${missing}" does not exist`,
  });
}

function operatorChange(
  environment: AdminEnvironment,
  variables: AdminVariables["Variables"],
  code: string,
  activity: 1 | 4,
  id: string,
  data: JsonObject,
) {
  const entity = { type: "operator", uid: id, data };
  return changeEntry(environment, variables, { tenant: INSTALLATION_CHAIN, code, activity, entity });
}

function shown(row: ListedOperator) {
  return {
    ...{ id: row.id, role: row.role, tenants: row.tenants },
    created_at: Math.floor(row.createdAt),
    created_by: row.createdBy,
    expires_at: Math.floor(row.expiresAt),
    disabled_at: row.disabledAt === undefined ? null : Math.floor(row.disabledAt),
  };
}
