import type * as z from "zod";
import { type AuditEntry, INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import { encodeBase64url } from "../core/base64url.ts";
import type { JsonObject } from "../core/json.ts";
import type { OperatorRole } from "../core/operator.ts";
import type { Tx } from "../core/tx.ts";
import { OPERATOR_ROUTES } from "./contract/operators.ts";
import { type AdminEnvironment, type AdminVariables, changeEntry } from "./environment.ts";
import { operatorDigest } from "./operator.ts";
import { nextAfter } from "./paging.ts";
import { ProblemError } from "./problem.ts";
import { type AdminRoute, changing, type Outcome, reading } from "./route.ts";

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

type Variables = AdminVariables["Variables"];
type CreateBody = z.output<typeof OPERATOR_ROUTES.create.body>;
type CreateAnswer = z.input<typeof OPERATOR_ROUTES.create.answer.schema>;

/** Operators by name, each with one token that is shown once; and who asks. */
export function operatorRoutes(environment: AdminEnvironment, store: OperatorStore): readonly AdminRoute[] {
  return [
    changing(environment, OPERATOR_ROUTES.create, async (request, commit) => {
      const token = `igo_${encodeBase64url(environment.randomBytes(32))}`;
      return await commit((tx) => create(environment, store, request, tx, request.body, token));
    }),
    reading(OPERATOR_ROUTES.list, async ({ query: { after = "", limit } }) => {
      const rows = await store.list(after, limit);
      return { operators: rows.map(shown), next_after: nextAfter(rows, limit, (row) => row.id) };
    }),
    changing(environment, OPERATOR_ROUTES.remove, async (request, commit) => {
      const { id } = request.params;
      return await commit(async (tx) => {
        if (!await store.disable(tx, id)) {
          const detail = `Operator "${id}" does not exist`;
          throw new ProblemError({ status: 404, code: "unknown_operator", detail });
        }
        await environment.idempotency.store.forget(tx, id);
        return {
          answer: { id, disabled: true },
          events: [entryOf(environment, request, "operator.deleted", 4, id, {})],
        };
      });
    }),
    reading(OPERATOR_ROUTES.self, ({ operator: { id, how, role, tenants } }) => ({
      ...{ id, how, role, tenants: tenants === "*" ? tenants : [...tenants] },
    })),
  ];
}

async function create(
  environment: AdminEnvironment,
  store: OperatorStore,
  variables: Variables,
  tx: Tx,
  { id, role, tenants, ttl_seconds: ttlSeconds }: CreateBody,
  token: string,
): Promise<Outcome<CreateAnswer>> {
  if (tenants !== "*") await requireKnown(store, tx, tenants);
  const expiresAt = await store.insert(tx, {
    ...{ id, role, tenants, ttlSeconds, tokenSha256: operatorDigest(token) },
    createdBy: variables.operator.id,
  });
  if (expiresAt === undefined) {
    const detail = `Operator "${id}" has a token that is still valid; delete the operator first`;
    throw new ProblemError({ status: 409, code: "operator_exists", detail });
  }
  // Whoever had the id before made requests with keys; their answers are not for this one.
  await environment.idempotency.store.forget(tx, id);
  const data = { role, tenants, expires_at: expiresAt };
  return {
    answer: { token, id, role, tenants, expires_at: expiresAt },
    events: [entryOf(environment, variables, "operator.created", 1, id, data)],
  };
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

function entryOf(
  environment: AdminEnvironment,
  variables: Variables,
  code: string,
  activity: 1 | 4,
  id: string,
  data: JsonObject,
): AuditEntry {
  const entity = { type: "operator", uid: id, data };
  return changeEntry(environment, variables, { tenant: INSTALLATION_CHAIN, code, activity, entity });
}

function shown(row: ListedOperator) {
  const { id, role, tenants } = row;
  return {
    ...{ id, role, tenants: tenants === "*" ? tenants : [...tenants] },
    created_at: Math.floor(row.createdAt),
    created_by: row.createdBy,
    expires_at: Math.floor(row.expiresAt),
    disabled_at: row.disabledAt === undefined ? null : Math.floor(row.disabledAt),
  };
}
