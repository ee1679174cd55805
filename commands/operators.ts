/** Commands that give people and scripts their own access to the admin API. */
import type { JsonObject } from "../core/json.ts";
import { OPERATOR_ROLES } from "../core/operator.ts";
import { AdminClient, CONNECTION_OPTIONS, LIMIT_OPTION, sayMore } from "./admin_client.ts";
import { command } from "./command.ts";
import { dateText, printMembers, printRows } from "./rows.ts";

const PATH = "/operators";

export const operatorCreate = command({
  name: "operator create",
  summary: "Give a person or script an operator token of their own",
  details: [
    "The new token is printed once and cannot be shown again. Hand it over on a safe way; its owner puts it into " +
    "INTENTGATE_OPERATOR_TOKEN, or into a file that INTENTGATE_OPERATOR_TOKEN_FILE names.",
    "Roles: an auditor reads the audit record and nothing else; a viewer reads; an operator also mints and revokes tokens and stops calls; an admin also changes tenants, " +
    "and operators when it acts for every tenant.",
  ],
  args: [{
    name: "id",
    help: "Who it is, like alice or ci.deploy; it stands in the audit record of every change.",
  }],
  options: {
    role: {
      ...{ kind: "choice", value: "ROLE", choices: OPERATOR_ROLES, required: true },
      help: "What the operator may do.",
    },
    tenant: {
      ...{ kind: "text", value: "NAME", many: true, suggests: "tenant" },
      help: "A tenant that the operator may act for.",
    },
    "all-tenants": { kind: "flag", help: "The operator may act for every tenant." },
    ttl: {
      ...{ kind: "duration", value: "DURATION", default: "90d" },
      help: "How long the token is valid, like 8h or 30d; at most 366d.",
    },
    ...CONNECTION_OPTIONS,
  },
  groups: [{ rule: "exactly one", options: ["tenant", "all-tenants"] }],
  examples: [
    {
      does: "alice may read what concerns two tenants",
      line: "intentgate operator create alice --role viewer --tenant acme --tenant globex",
    },
    {
      does: "a script that mints tokens for one tenant, its token in a file only its owner can read",
      line:
        "(umask 077; intentgate operator create ci.deploy --role operator --tenant acme --ttl 30d > ci.token)",
    },
  ],
  routes: ["POST /operators"],
  run: async ({ options, args: [id = ""] }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.write("POST", PATH, {
      ...{ id, role: options.role, tenants: options.tenant ?? "*", ttl_seconds: options.ttl },
    });
    terminal.print(options.json ? JSON.stringify(answer) : String(answer.token));
    return 0;
  },
});

export const operatorList = command({
  name: "operator list",
  summary: "List the operators and until when their tokens are valid",
  options: { ...LIMIT_OPTION, ...CONNECTION_OPTIONS },
  examples: [{ does: "who may use this gateway?", line: "intentgate operator list" }],
  routes: ["GET /operators"],
  run: async ({ options }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const listed = await client.list(PATH, "operators", {}, options.limit);
    if (options.json) {
      terminal.print(JSON.stringify({ operators: listed.rows, next_after: listed.next_after }));
    } else if (listed.rows.length === 0) {
      terminal.print("There are no operators beside root, the start-up token");
    } else printRows(terminal, ["ID", "ROLE", "TENANTS", "TOKEN"], listed.rows.map(operatorRow));
    sayMore(terminal, listed);
    return 0;
  },
});

export const operatorDelete = command({
  name: "operator delete",
  summary: "End the token of an operator, at once and on every replica",
  details: ["What the operator did stays in the audit record. The id may get a new token later."],
  args: [{ name: "id", help: "Whose token ends.", suggests: "operator" }],
  options: { ...CONNECTION_OPTIONS },
  examples: [{ does: "alice has left", line: "intentgate operator delete alice" }],
  routes: ["DELETE /operators/{id}"],
  run: async ({ options, args: [id = ""] }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.write("DELETE", `${PATH}/${encodeURIComponent(id)}`);
    terminal.print(options.json ? JSON.stringify(answer) : `Deleted operator ${answer.id}`);
    return 0;
  },
});

export const operatorWhoami = command({
  name: "operator whoami",
  summary: "Show whose operator token this is, its role and its tenants",
  options: { ...CONNECTION_OPTIONS },
  examples: [{ does: "what may I do here?", line: "intentgate operator whoami" }],
  routes: ["GET /self"],
  run: async ({ options }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.get("/self");
    if (options.json) terminal.print(JSON.stringify(answer));
    else {
      printMembers(terminal, [
        ["id", String(answer.id)],
        ["role", String(answer.role)],
        ["tenants", tenantsText(answer.tenants)],
      ]);
    }
    return 0;
  },
});

function tenantsText(tenants: unknown): string {
  return Array.isArray(tenants) ? tenants.join(",") : "every";
}

function operatorRow(row: JsonObject): readonly string[] {
  const { id, role, tenants, expires_at: expiresAt, disabled_at: disabledAt } = row;
  const token = disabledAt !== null
    ? `deleted ${dateText(disabledAt)}`
    : `${Number(expiresAt) * 1000 <= Date.now() ? "expired" : "until"} ${dateText(expiresAt)}`;
  return [String(id), String(role), tenantsText(tenants), token];
}
