import * as z from "zod";
import { tenantName } from "../../core/config.ts";
import { RECORD_VALUES } from "../../core/record_values.ts";
import { routeSpec } from "./route.ts";
import { page, pageQuery, plainText, seconds, UNKNOWN_TENANT } from "./words.ts";

const description = plainText(0, 500);
const retentionDays = z.int().min(1).max(36_500)
  .describe(
    "Events are kept at least so many days; older ones may be pruned by two operators. Absent: for ever.",
  );
const recordValues = z.enum(RECORD_VALUES).describe(
  "What of a call is kept beside its audit event, erasable: nothing (also when absent), arguments, or the prompt too.",
);
const settings = z.strictObject({
  description: description.optional(),
  retention_days: retentionDays.optional(),
  record_values: recordValues.optional(),
});
const version = z.int().min(1)
  .describe("The installation's settings version with which the tenant was made or last changed.");

const createBody = z.strictObject({ name: tenantName, settings: settings.default({}) })
  .meta({ examples: [{ name: "globex", settings: { description: "Globex Ltd" } }] });
const patchBody = z.strictObject({
  version: version.describe("The version that the tenant has now."),
  settings: z.strictObject({
    description: description.nullable().optional(),
    retention_days: retentionDays.nullable().optional(),
    record_values: recordValues.nullable().optional(),
  })
    .describe("Settings to change; null takes one away, others stay."),
}).meta({ examples: [{ version: 1, settings: { description: "Globex Ltd" } }] });

/** One tenant with its settings. */
export const tenantSchema = z.strictObject({ name: tenantName, version, settings, created_at: seconds });

const name = { params: z.strictObject({ name: tenantName }) };
const unknown = { ...UNKNOWN_TENANT, detail: "No tenant has such a name" };

/** Tenants and their settings. */
export const TENANT_ROUTES = {
  create: routeSpec({
    id: "createTenant",
    ...{ method: "POST", path: "/tenants", access: { role: "admin", scope: "all" } },
    summary: "Make a tenant with an audit chain of its own",
    body: createBody,
    answer: {
      status: 201,
      description: "The tenant. It cannot be renamed or deleted.",
      schema: tenantSchema,
    },
    problems: { 409: [{ code: "tenant_exists", when: "A tenant has this name already." }] },
    leadsTo: { getTenant: { name: "name" }, updateTenant: { name: "name" } },
  }),
  list: routeSpec({
    id: "listTenants",
    ...{ method: "GET", path: "/tenants", access: { role: "viewer", scope: "own" } },
    summary: "List tenants by name",
    query: pageQuery(tenantName, {}),
    answer: {
      status: 200,
      description: "One page, in the order of names.",
      schema: page("tenants", tenantSchema, tenantName),
    },
  }),
  show: routeSpec({
    id: "getTenant",
    ...{ method: "GET", path: "/tenants/{name}", access: { role: "viewer", scope: "tenant" } },
    summary: "Show a tenant",
    ...name,
    unknown,
    answer: { status: 200, description: "The tenant.", schema: tenantSchema },
  }),
  update: routeSpec({
    id: "updateTenant",
    ...{ method: "PATCH", path: "/tenants/{name}", access: { role: "admin", scope: "tenant" } },
    summary: "Change settings of a tenant",
    ...name,
    unknown,
    body: patchBody,
    answer: {
      status: 200,
      description: "The tenant with its new version, which every replica has within a second.",
      schema: tenantSchema,
    },
    problems: {
      409: [{ code: "version_conflict", when: "The tenant has another version by now: nothing changed." }],
    },
  }),
} as const;
