import * as z from "zod";
import { tenantName } from "../../core/config.ts";
import { OPERATOR_ROLES } from "../../core/operator.ts";
import { routeSpec } from "./route.ts";
import { page, pageQuery, seconds, UNKNOWN_TENANT } from "./words.ts";

const MAX_TTL_SECONDS = 366 * 86_400;
const MAX_TENANTS = 100;

/** Names of operators; `root` is the one of the start-up token. */
const operatorId = z.string().regex(
  /^(?!root$)[a-z0-9][a-z0-9._@-]{0,62}$/,
  'an operator id matches [a-z0-9][a-z0-9._@-]{0,62}; "root" is the operator of the start-up token',
);
const role = z.enum(OPERATOR_ROLES)
  .describe("Each role includes the ones before it; an auditor reads the audit record and nothing else.");
const tenants = z.union([
  z.literal("*"),
  z.array(tenantName).min(1).max(MAX_TENANTS).meta({ uniqueItems: true })
    .refine((names) => new Set(names).size === names.length, "a tenant stands there twice"),
]).describe('"*" for every tenant, or some.');

const createBody = z.strictObject({
  id: operatorId,
  ...{ role, tenants },
  ttl_seconds: z.int().min(60).max(MAX_TTL_SECONDS).describe("How long the token lives."),
}).meta({ examples: [{ id: "alice", role: "operator", tenants: ["default"], ttl_seconds: 86_400 }] });

const anyTenants = z.union([z.literal("*"), z.array(tenantName)]);

const operatorRow = z.strictObject({
  id: operatorId,
  role,
  tenants: anyTenants,
  created_at: seconds,
  created_by: z.string(),
  expires_at: seconds,
  disabled_at: seconds.nullable().describe("When the token was deleted."),
});

/** Operators by name, each with one token. */
export const OPERATOR_ROUTES = {
  create: routeSpec({
    id: "createOperator",
    ...{ method: "POST", path: "/operators", access: { role: "admin", scope: "all" } },
    summary: "Make an operator, or give one whose token ended another",
    body: createBody,
    answer: {
      status: 201,
      description: "The operator and the token, shown this once.",
      schema: z.strictObject({
        token: z.string().regex(/^igo_[A-Za-z0-9_-]{43}$/).describe(
          "The operator's token; only its digest is kept.",
        ),
        id: operatorId,
        ...{ role, tenants: anyTenants, expires_at: seconds },
      }),
    },
    problems: {
      404: [UNKNOWN_TENANT],
      409: [{ code: "operator_exists", when: "The operator has a token that is still valid." }],
    },
    leadsTo: { deleteOperator: { id: "id" } },
  }),
  list: routeSpec({
    id: "listOperators",
    ...{ method: "GET", path: "/operators", access: { role: "admin", scope: "all" } },
    summary: "List operators by id, also those whose token ended",
    query: pageQuery(operatorId, {}),
    answer: {
      status: 200,
      description: "One page, in the order of ids.",
      schema: page("operators", operatorRow, operatorId),
    },
  }),
  remove: routeSpec({
    id: "deleteOperator",
    ...{ method: "DELETE", path: "/operators/{id}", access: { role: "admin", scope: "all" } },
    summary: "End an operator's token",
    params: z.strictObject({ id: operatorId }),
    unknown: {
      code: "unknown_operator",
      when: "There is no operator with this id whose token could be ended.",
      detail: "No operator can have such an id",
    },
    answer: {
      status: 200,
      description: "The token is refused from the next request on, at every replica.",
      schema: z.strictObject({ id: operatorId, disabled: z.literal(true) }),
    },
  }),
  self: routeSpec({
    id: "getSelf",
    ...{ method: "GET", path: "/self", access: { role: "auditor", scope: "own" } },
    summary: "Say who asks",
    answer: {
      status: 200,
      description: "The operator behind the token of this request.",
      schema: z.strictObject({
        id: z.string(),
        how: z.enum(["root", "token"]).describe("`root` is the start-up token."),
        role,
        tenants: anyTenants,
      }),
    },
  }),
} as const;
