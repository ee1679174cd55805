/** Changes of the audit record that take two operators: one asks, another confirms. */
import * as z from "zod";
import { chainName, seq } from "./audit_words.ts";
import { routeSpec } from "./route.ts";
import { page, pageQuery, plainText, seconds, UNKNOWN_TENANT } from "./words.ts";

const actionId = plainText(1, 64).describe("Id of the action, and of the event that asked for it.");
const eraseBody = z.strictObject({
  tenant: chainName,
  agent: plainText(1, 256).optional().describe("What this agent called with."),
  user: plainText(1, 256).optional().describe("What stands in events about this user or operator."),
  event: plainText(1, 64).optional().describe("What belongs to the event with this id."),
  from_time: seconds.optional().describe("Only events recorded from this time on, epoch seconds."),
  to_time: seconds.optional().describe("Only events recorded before this time, epoch seconds."),
}).meta({
  description: 'Exactly one of "agent", "user" and "event".',
  examples: [{ tenant: "default", agent: "invoice-bot" }],
});
const UNUSABLE_FILTER = {
  code: "unusable_filter",
  when: 'The body names none or several of "agent", "user" and "event".',
} as const;

/** What is asked for: of a prune its range, of an erasure what events must be like. */
const details = z.strictObject({
  from: seq.optional(),
  to: seq.optional().describe("The last event whose body goes."),
  agent: z.string().optional(),
  user: z.string().optional(),
  event: z.string().optional(),
  from_time: seconds.optional(),
  to_time: seconds.optional(),
});

const erasing = z.strictObject({
  seq: seq.describe("The last event that was looked at."),
  last: seq.describe("The last one that will be: the newest when it was confirmed."),
  salts: seq.describe("How many went so far."),
  values: seq,
}).describe(
  "How far a confirmed erasure is that is still under way; `audit.erased` in the chain says that it has ended.",
);

const action = z.strictObject({
  id: actionId,
  tenant: chainName,
  kind: z.enum(["prune", "erase"]),
  details,
  requested_by: z.string(),
  requested_at: seconds,
  expires_at: seconds.describe("Until when another operator may confirm it."),
});

/** Roles and tenants are not enough. */
const TAKES_A_NAME = "The start-up token is nobody's name, so it can be neither of the two.";
const REQUESTED = {
  status: 201,
  description: "Nothing has changed yet: another operator confirms it within a day.",
  schema: action.pick({ id: true, tenant: true, kind: true, details: true, expires_at: true }),
} as const;
const TOO_MANY = {
  code: "too_many_actions",
  when: "100 actions of the tenant already wait to be confirmed.",
} as const;

/** Pruning and erasing. */
export const AUDIT_ACTION_ROUTES = {
  prune: routeSpec({
    id: "requestAuditPrune",
    ...{ method: "POST", path: "/audit/prunes", access: { role: "admin", scope: "tenant" } },
    summary: "Ask to prune the bodies of events that are older than they are kept",
    body: z.strictObject({ tenant: chainName }).meta({ examples: [{ tenant: "default" }] }),
    mayTakeMore: TAKES_A_NAME,
    answer: REQUESTED,
    problems: {
      404: [UNKNOWN_TENANT],
      409: [
        {
          code: "no_retention",
          when:
            "The tenant has no `retention_days`, or the configuration none for the chain: everything is kept.",
        },
        { code: "nothing_to_prune", when: "No 256 events are old enough, signed, and have their outcomes." },
        TOO_MANY,
      ],
    },
    leadsTo: { confirmAuditAction: { id: "id" } },
  }),
  erase: routeSpec({
    id: "requestAuditErasure",
    ...{ method: "POST", path: "/audit/erasures", access: { role: "admin", scope: "tenant" } },
    summary: "Ask to erase the values and salts of an agent, a user or an event",
    body: eraseBody,
    mayTakeMore: TAKES_A_NAME,
    answer: REQUESTED,
    problems: { 404: [UNKNOWN_TENANT], 409: [TOO_MANY], 422: [UNUSABLE_FILTER] },
  }),
  list: routeSpec({
    id: "listAuditActions",
    ...{ method: "GET", path: "/audit/actions", access: { role: "viewer", scope: "own" } },
    summary: "List the actions that wait for a second operator, and erasures that are under way",
    query: pageQuery(actionId, {}),
    answer: {
      status: 200,
      description: "One page, oldest first.",
      schema: page(
        "actions",
        action.extend({ confirmed_by: z.string().optional(), erasing: erasing.optional() }),
        actionId,
      ),
    },
  }),
  confirm: routeSpec({
    id: "confirmAuditAction",
    ...{ method: "POST", path: "/audit/actions/{id}/confirm", access: { role: "admin", scope: "tenant" } },
    summary: "Confirm what another operator asked for: it is done",
    params: z.strictObject({ id: actionId }),
    unknown: {
      code: "unknown_action",
      when: "No such action waits, or it is another tenant's.",
      detail: "No action with this id waits to be confirmed",
    },
    mayTakeMore: TAKES_A_NAME,
    answer: {
      status: 200,
      description:
        "What was done. Bodies that are pruned go within a minute, and an erasure from a long chain goes on by itself.",
      schema: action.pick({ id: true, tenant: true, kind: true, details: true, requested_by: true }).extend({
        erased: z.strictObject({ salts: seq, values: seq }).optional().describe(
          "How many went, of an erasure that has ended.",
        ),
        erasing: erasing.optional(),
      }),
    },
    problems: {
      409: [{ code: "not_prunable", when: "What is to be pruned does not verify; the detail says where." }],
    },
  }),
} as const;
