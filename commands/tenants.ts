/** Commands that make tenants and change their settings. */
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { RECORD_VALUES } from "../core/record_values.ts";
import { AdminClient, CONNECTION_OPTIONS, LIMIT_OPTION, sayMore } from "./admin_client.ts";
import { command, UsageError } from "./command.ts";
import { dateText, printMembers, printRows } from "./rows.ts";

const PATH = "/tenants";
const NAME = { name: "name", help: "The name of the tenant.", suggests: "tenant" } as const;
const DESCRIPTION = {
  kind: "text",
  value: "TEXT",
  help: "What the tenant is, at most 500 characters.",
} as const;

export const tenantCreate = command({
  name: "tenant create",
  summary: "Make a tenant, with an audit record of its own",
  details: ["A tenant cannot be renamed or deleted, because its audit record stays."],
  args: [{ name: "name", help: "Lower-case letters, digits and dashes, at most 63." }],
  options: { description: DESCRIPTION, ...CONNECTION_OPTIONS },
  examples: [{ does: "a tenant for Acme", line: "intentgate tenant create acme --description 'Acme Ltd'" }],
  routes: ["POST /tenants"],
  run: async ({ options, args: [name = ""] }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.write("POST", PATH, {
      name,
      settings: options.description === undefined ? {} : { description: options.description },
    });
    terminal.print(options.json ? JSON.stringify(answer) : `Created tenant ${answer.name}`);
    return 0;
  },
});

export const tenantList = command({
  name: "tenant list",
  summary: "List the tenants that you may act for",
  options: { ...LIMIT_OPTION, ...CONNECTION_OPTIONS },
  examples: [{ does: "all of them", line: "intentgate tenant list" }],
  routes: ["GET /tenants"],
  run: async ({ options }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const listed = await client.list(PATH, "tenants", {}, options.limit);
    if (options.json) {
      terminal.print(JSON.stringify({ tenants: listed.rows, next_after: listed.next_after }));
    } else printRows(terminal, ["NAME", "VERSION", "DESCRIPTION"], listed.rows.map(tenantRow));
    sayMore(terminal, listed);
    return 0;
  },
});

export const tenantShow = command({
  name: "tenant show",
  summary: "Show a tenant and its settings",
  args: [NAME],
  options: { ...CONNECTION_OPTIONS },
  examples: [{ does: "the settings of acme", line: "intentgate tenant show acme" }],
  routes: ["GET /tenants/{name}"],
  run: async ({ options, args: [name = ""] }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const tenant = await client.get(pathOf(name));
    if (options.json) terminal.print(JSON.stringify(tenant));
    else {
      const settings = isJsonObject(tenant.settings) ? Object.entries(tenant.settings) : [];
      printMembers(terminal, [
        ["name", String(tenant.name)],
        ["version", String(tenant.version)],
        ["created", dateText(tenant.created_at)],
        ...settings.map(([setting, value]) =>
          [setting, typeof value === "string" ? value : JSON.stringify(value)] as const
        ),
      ]);
    }
    return 0;
  },
});

const SETTINGS = [
  "description",
  "no-description",
  "retention-days",
  "no-retention",
  "record-values",
] as const;

export const tenantSet = command({
  name: "tenant set",
  summary: "Change the settings of a tenant",
  args: [NAME],
  options: {
    description: DESCRIPTION,
    "no-description": { kind: "flag", help: "Take the description away." },
    "retention-days": {
      ...{ kind: "number", value: "N" },
      help: "Keep events at least so many days; two operators may prune older ones.",
    },
    "no-retention": { kind: "flag", help: "Keep events for ever." },
    "record-values": {
      ...{ kind: "choice", value: "WHAT", choices: RECORD_VALUES },
      help:
        "What of calls is kept beside their audit events, where audit values shows it and audit erase erases it.",
    },
    version: {
      ...{ kind: "number", value: "N" },
      help:
        "Refuse unless the tenant is still at this version. Without it, whatever version it has now is changed.",
    },
    ...CONNECTION_OPTIONS,
  },
  groups: [
    { rule: "at least one", options: SETTINGS },
  ],
  examples: [
    { does: "keep the arguments of calls", line: "intentgate tenant set acme --record-values arguments" },
    { does: "keep events for two years", line: "intentgate tenant set acme --retention-days 730" },
    { does: "describe a tenant", line: "intentgate tenant set acme --description 'Acme Ltd, Oslo'" },
    {
      does: "only if nobody changed it meanwhile",
      line: "intentgate tenant set acme --no-description --version 12",
    },
  ],
  routes: ["GET /tenants/{name}", "PATCH /tenants/{name}"],
  run: async ({ options, args: [name = ""] }, terminal) => {
    const settings = Object.fromEntries([
      ...changed("description", options.description, options["no-description"] && "no-description"),
      ...changed("record_values", options["record-values"], false),
      ...changed("retention_days", options["retention-days"], options["no-retention"] && "no-retention"),
    ]);
    const client = await AdminClient.open(terminal, options.url);
    const path = pathOf(name);
    const version = options.version ?? (await client.get(path)).version ?? 0;
    const answer = await client.write("PATCH", path, { version, settings });
    terminal.print(
      options.json ? JSON.stringify(answer) : `Tenant ${answer.name} is at version ${answer.version}`,
    );
    return 0;
  },
});

/** A setting that is given, or taken away; nothing when it stays. */
function changed(
  setting: string,
  value: string | number | undefined,
  takenAway: string | false,
): [string, string | number | null][] {
  if (value !== undefined && takenAway !== false) {
    throw new UsageError(`Expected a value for "${setting}" or --${takenAway}, found both`);
  }
  return value === undefined ? takenAway === false ? [] : [[setting, null]] : [[setting, value]];
}

function pathOf(name: string): string {
  return `${PATH}/${encodeURIComponent(name)}`;
}

function tenantRow({ name, version, settings }: JsonObject): readonly string[] {
  const description = isJsonObject(settings) ? settings.description : undefined;
  return [String(name), String(version), String(description ?? "")];
}
