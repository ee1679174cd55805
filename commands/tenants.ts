/** Commands that make tenants and change their settings. */
import { adminList, adminPost, adminRequest, CONNECTION_USAGE } from "./admin_client.ts";
import { type Command, parseOptions, UsageError } from "./command.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { printRows } from "./rows.ts";

const PATH = "/api/v1/tenants";
const NAME_USAGE = "  <name>             the tenant's name: [a-z0-9][a-z0-9-]{0,62}";
const CONNECTION_OPTIONS = {
  url: { type: "string" },
  json: { type: "boolean", default: false },
} as const;

export const tenantCreate: Command = {
  name: "tenant create",
  summary: "Make a tenant with an audit chain of its own",
  usage: [
    "<name> [options]",
    "",
    NAME_USAGE,
    "  --description TEXT what it is, at most 500 characters",
    CONNECTION_USAGE,
    "",
    "A tenant cannot be renamed or deleted: its audit chain stays.",
  ].join("\n"),
  run: async (args, terminal) => {
    const { values, positionals } = parseOptions(args, {
      ...CONNECTION_OPTIONS,
      description: { type: "string" },
    }, ["name"]);
    const answer = await adminPost(terminal, values.url, PATH, {
      name: positionals[0] ?? "",
      settings: values.description === undefined ? {} : { description: values.description },
    });
    terminal.print(values.json ? JSON.stringify(answer) : `Created tenant ${answer.name}`);
    return 0;
  },
};

export const tenantList: Command = {
  name: "tenant list",
  summary: "List the tenants that you may act for",
  usage: ["[options]", "", CONNECTION_USAGE].join("\n"),
  run: async (args, terminal) => {
    const { values } = parseOptions(args, CONNECTION_OPTIONS);
    const tenants = await adminList(terminal, values.url, PATH, "tenants");
    if (values.json) terminal.print(JSON.stringify({ tenants }));
    else printRows(terminal, ["NAME", "VERSION", "DESCRIPTION"], tenants.map(tenantRow));
    return 0;
  },
};

export const tenantShow: Command = {
  name: "tenant show",
  summary: "Show a tenant with its settings",
  usage: ["<name> [options]", "", NAME_USAGE, CONNECTION_USAGE].join("\n"),
  run: async (args, terminal) => {
    const { values, positionals } = parseOptions(args, CONNECTION_OPTIONS, ["name"]);
    const tenant = await adminRequest(terminal, values.url, "GET", pathOf(positionals[0]));
    if (values.json) terminal.print(JSON.stringify(tenant));
    else printRows(terminal, ["NAME", "VERSION", "DESCRIPTION"], [tenantRow(tenant)]);
    return 0;
  },
};

export const tenantSet: Command = {
  name: "tenant set",
  summary: "Change settings of a tenant",
  usage: [
    "<name> (--description TEXT | --no-description) [options]",
    "",
    NAME_USAGE,
    "  --description TEXT what it is, at most 500 characters",
    "  --no-description   take the description away",
    "  --version N        refuse unless the tenant is still at this version; default: the one it has now",
    CONNECTION_USAGE,
  ].join("\n"),
  run: async (args, terminal) => {
    const { values, positionals } = parseOptions(args, {
      ...CONNECTION_OPTIONS,
      description: { type: "string" },
      "no-description": { type: "boolean", default: false },
      version: { type: "string" },
    }, ["name"]);
    if ((values.description === undefined) !== values["no-description"]) {
      throw new UsageError("Expected either --description TEXT or --no-description");
    }
    if (values.version !== undefined && !/^\d{1,15}$/.test(values.version)) {
      throw new UsageError(`--version expects a whole number, found "${values.version}"`);
    }
    const path = pathOf(positionals[0]);
    const version = values.version === undefined
      ? (await adminRequest(terminal, values.url, "GET", path)).version
      : Number(values.version);
    const answer = await adminRequest(terminal, values.url, "PATCH", path, {
      version,
      settings: { description: values.description ?? null },
    });
    terminal.print(
      values.json ? JSON.stringify(answer) : `Tenant ${answer.name} is at version ${answer.version}`,
    );
    return 0;
  },
};

function pathOf(name: string | undefined): string {
  return `${PATH}/${encodeURIComponent(name ?? "")}`;
}

function tenantRow({ name, version, settings }: JsonObject): readonly string[] {
  const description = isJsonObject(settings) ? settings.description : undefined;
  return [String(name), String(version), String(description ?? "")];
}
