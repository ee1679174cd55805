import * as z from "zod";
import { tenantName } from "../../core/config.ts";
import { routeSpec } from "./route.ts";
import { number, page, pageQuery, plainText, reason, seconds, UNKNOWN_TENANT } from "./words.ts";

const engageBody = z.discriminatedUnion("scope", [
  z.strictObject({ scope: z.literal("all"), reason }),
  z.strictObject({ scope: z.literal("tenant"), tenant: tenantName, reason }),
  z.strictObject({
    scope: z.literal("upstream"),
    tenant: tenantName.optional(),
    value: plainText(1, 63).describe("Name of an upstream that the gateway knows."),
    reason,
  }),
  z.strictObject({
    scope: z.literal("agent"),
    tenant: tenantName,
    value: plainText(1, 200).describe("The agent, whatever its token."),
    reason,
  }),
]).meta({ examples: [{ scope: "agent", tenant: "default", value: "invoice-bot", reason: "It pays twice" }] });

const concerned = z.strictObject({
  number,
  scope: z.enum(["all", "tenant", "upstream", "agent"]),
  tenant: tenantName.optional(),
  value: z.string().optional(),
});

/** Switches that stop everything that agents do. */
export const KILL_SWITCH_ROUTES = {
  engage: routeSpec({
    id: "engageKillSwitch",
    ...{ method: "POST", path: "/kill-switches", access: { role: "operator", scope: "tenant" } },
    summary: "Stop calls of all, a tenant, an upstream or an agent",
    body: engageBody,
    mayTakeMore: "A switch without `tenant` takes an operator of every tenant.",
    answer: { status: 201, description: "In force on every replica within a second.", schema: concerned },
    problems: {
      404: [UNKNOWN_TENANT, { code: "unknown_upstream", when: "The gateway knows no such upstream." }],
    },
    leadsTo: { releaseKillSwitch: { number: "number" } },
  }),
  list: routeSpec({
    id: "listKillSwitches",
    ...{ method: "GET", path: "/kill-switches", access: { role: "viewer", scope: "own" } },
    summary: "List the engaged switches that concern the operator's tenants, oldest first",
    query: pageQuery(number, {}),
    answer: {
      status: 200,
      description: "One page, in the order of their numbers.",
      schema: page(
        "kill_switches",
        concerned.extend({ reason: z.string(), operator: z.string(), since: seconds }),
        number,
      ),
    },
  }),
  release: routeSpec({
    id: "releaseKillSwitch",
    ...{ method: "POST", path: "/kill-switches/{number}/release" },
    access: { role: "operator", scope: "tenant" },
    summary: "Take a switch back",
    params: z.strictObject({ number }),
    unknown: {
      code: "unknown_kill_switch",
      when: "No switch of this number is engaged, or it is another tenant's.",
      detail: "No kill switch with this number is engaged",
    },
    body: z.strictObject({ reason }).meta({ examples: [{ reason: "The bug is fixed" }] }),
    mayTakeMore: "A switch without `tenant` takes an operator of every tenant.",
    answer: { status: 200, description: "The switch is released.", schema: concerned },
  }),
} as const;
