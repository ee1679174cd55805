/** Commands that give people and scripts their own access to the admin API. */
import { adminList, adminPost, adminRequest, CONNECTION_USAGE } from "./admin_client.ts";
import { type Command, parseOptions, UsageError } from "./command.ts";
import type { JsonObject } from "../core/json.ts";
import { printRows } from "./rows.ts";
import { parseDuration } from "./token_options.ts";

const PATH = "/api/v1/operators";

export const operatorCreate: Command = {
  name: "operator create",
  summary: "Give a person or script an operator token of their own",
  usage: [
    "<id> --role ROLE (--tenant NAME | --all-tenants) [options]",
    "",
    "  <id>               who it is, like alice or ci.deploy; stands in the audit chain",
    "  --role ROLE        viewer reads, operator also mints and revokes, admin also changes tenants and operators",
    "  --tenant NAME      a tenant it may act for; repeat for several",
    "  --all-tenants      it may act for every tenant; only such admins manage operators",
    "  --ttl DURATION     how long the token lives, like 8h or 90d; default: 90d, at most 366d",
    CONNECTION_USAGE,
    "",
    "The new token is printed once and cannot be shown again.",
  ].join("\n"),
  run: async (args, terminal) => {
    const { values, positionals } = parseOptions(args, {
      role: { type: "string" },
      tenant: { type: "string", multiple: true },
      "all-tenants": { type: "boolean", default: false },
      ttl: { type: "string", default: "90d" },
      url: { type: "string" },
      json: { type: "boolean", default: false },
    }, ["id"]);
    if (values.role === undefined) throw new UsageError("Expected --role viewer, operator or admin");
    if ((values.tenant === undefined) !== values["all-tenants"]) {
      throw new UsageError("Expected either --tenant NAME or --all-tenants");
    }
    const answer = await adminPost(terminal, values.url, PATH, {
      id: positionals[0] ?? "",
      role: values.role,
      tenants: values.tenant ?? "*",
      ttl_seconds: parseDuration("--ttl", values.ttl),
    });
    terminal.print(values.json ? JSON.stringify(answer) : String(answer.token));
    return 0;
  },
};

export const operatorList: Command = {
  name: "operator list",
  summary: "List the operators and until when their tokens are valid",
  usage: ["[options]", "", CONNECTION_USAGE].join("\n"),
  run: async (args, terminal) => {
    const { values } = parseOptions(args, {
      url: { type: "string" },
      json: { type: "boolean", default: false },
    });
    const operators = await adminList(terminal, values.url, PATH, "operators");
    if (values.json) terminal.print(JSON.stringify({ operators }));
    else printRows(terminal, ["ID", "ROLE", "TENANTS", "TOKEN"], operators.map(operatorRow));
    return 0;
  },
};

export const operatorDelete: Command = {
  name: "operator delete",
  summary: "End an operator's token, at once and on every replica",
  usage: ["<id> [options]", "", "  <id>               whose token ends", CONNECTION_USAGE].join("\n"),
  run: async (args, terminal) => {
    const { values, positionals } = parseOptions(args, {
      url: { type: "string" },
      json: { type: "boolean", default: false },
    }, ["id"]);
    const path = `${PATH}/${encodeURIComponent(positionals[0] ?? "")}`;
    const answer = await adminRequest(terminal, values.url, "DELETE", path);
    terminal.print(values.json ? JSON.stringify(answer) : `Deleted operator ${answer.id}`);
    return 0;
  },
};

function operatorRow(row: JsonObject): readonly string[] {
  const { id, role, tenants, expires_at: expiresAt, disabled_at: disabledAt } = row;
  const date = (seconds: unknown) => new Date(Number(seconds) * 1000).toISOString().slice(0, 19) + "Z";
  const token = disabledAt !== null
    ? `deleted ${date(disabledAt)}`
    : `${Number(expiresAt) * 1000 <= Date.now() ? "expired" : "until"} ${date(expiresAt)}`;
  return [String(id), String(role), Array.isArray(tenants) ? tenants.join(",") : "every", token];
}
