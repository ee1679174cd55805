/** Commands that stop calls at once, and let them go on. */
import type { JsonObject } from "../core/json.ts";
import { adminList, adminPost, CONNECTION_USAGE } from "./admin_client.ts";
import { type Command, parseOptions, UsageError } from "./command.ts";
import { printRows } from "./rows.ts";

const PATH = "/api/v1/kill-switches";

const CONNECTION_OPTIONS = {
  url: { type: "string" },
  json: { type: "boolean", default: false },
} as const;

export const killEngage: Command = {
  name: "kill engage",
  summary: "Stop calls on every replica within a second",
  usage: [
    "(--all | --upstream NAME | --agent NAME | --tenant NAME) --reason TEXT [options]",
    "",
    "  --all              every call of every tenant",
    "  --tenant NAME      every call of the tenant",
    "  --upstream NAME    every call to the upstream; with --tenant only that tenant's",
    "  --agent NAME       every call of the agent; needs --tenant",
    "  --reason TEXT      why; stands in the audit chain",
    CONNECTION_USAGE,
  ].join("\n"),
  run: async (args, terminal) => {
    const { values } = parseOptions(args, {
      ...{ all: { type: "boolean", default: false }, tenant: { type: "string" } },
      ...{ upstream: { type: "string" }, agent: { type: "string" }, reason: { type: "string" } },
      ...CONNECTION_OPTIONS,
    });
    const target = targetOf(values);
    if (values.reason === undefined) throw new UsageError("Expected --reason TEXT");
    const body = { ...target, reason: values.reason };
    const answer = await adminPost(terminal, values.url, PATH, body);
    terminal.print(
      values.json ? JSON.stringify(answer) : `Engaged kill switch ${answer.number}: ${describe(answer)}\n` +
        `Release it with: intentgate kill release ${answer.number} --reason TEXT`,
    );
    return 0;
  },
};

export const killRelease: Command = {
  name: "kill release",
  summary: "Let calls go on that a kill switch stopped",
  usage: [
    "NUMBER --reason TEXT [options]",
    "",
    "  NUMBER             the switch, as kill engage and kill list print it",
    "  --reason TEXT      why; stands in the audit chain",
    CONNECTION_USAGE,
  ].join("\n"),
  run: async (args, terminal) => {
    const { values, positionals: [number = ""] } = parseOptions(
      args,
      { reason: { type: "string" }, ...CONNECTION_OPTIONS },
      ["NUMBER"],
    );
    if (!/^[1-9]\d{0,15}$/.test(number)) {
      throw new UsageError(`Expected the number of a switch, found "${number.slice(0, 40)}"`);
    }
    if (values.reason === undefined) throw new UsageError("Expected --reason TEXT");
    const path = `${PATH}/${number}/release`;
    const answer = await adminPost(terminal, values.url, path, { reason: values.reason });
    terminal.print(
      values.json ? JSON.stringify(answer) : `Released kill switch ${answer.number}: ${describe(answer)}`,
    );
    return 0;
  },
};

export const killList: Command = {
  name: "kill list",
  summary: "List the engaged kill switches",
  usage: ["[options]", "", CONNECTION_USAGE].join("\n"),
  run: async (args, terminal) => {
    const { values } = parseOptions(args, CONNECTION_OPTIONS);
    const switches = await adminList(terminal, values.url, PATH, "kill_switches");
    if (values.json) terminal.print(JSON.stringify({ kill_switches: switches }));
    else if (switches.length === 0) terminal.print("No kill switch is engaged");
    else printRows(terminal, ["NUMBER", "SINCE", "STOPS", "BY", "REASON"], switches.map(rowOf));
    return 0;
  },
};

/** What the switch names, as the API wants it; `--tenant` narrows an upstream or an agent, or stands alone. */
function targetOf(values: {
  readonly all: boolean;
  readonly tenant?: string | undefined;
  readonly upstream?: string | undefined;
  readonly agent?: string | undefined;
}): JsonObject {
  const { all, tenant, upstream, agent } = values;
  const named = [all, upstream !== undefined, agent !== undefined].filter((given) => given).length;
  if (named > 1 || (named === 0 && tenant === undefined) || (all && tenant !== undefined)) {
    throw new UsageError("Expected one of --all, --upstream NAME, --agent NAME and --tenant NAME");
  }
  if (all) return { scope: "all" };
  const narrowed = tenant === undefined ? {} : { tenant };
  if (upstream !== undefined) return { scope: "upstream", value: upstream, ...narrowed };
  if (agent === undefined) return { scope: "tenant", ...narrowed };
  // No default here: a switch for the agent of the wrong tenant would look like one that works.
  if (tenant === undefined) throw new UsageError("Expected --tenant NAME beside --agent NAME");
  return { scope: "agent", value: agent, tenant };
}

function describe({ scope, tenant, value }: JsonObject): string {
  const what = scope === "all" ? "every call" : scope === "tenant" ? "tenant" : `${scope} "${value}"`;
  if (tenant === undefined) return what;
  return scope === "tenant" ? `tenant "${tenant}"` : `${what} of tenant "${tenant}"`;
}

function rowOf(row: JsonObject): readonly string[] {
  const since = new Date(Number(row.since) * 1000).toISOString();
  return [String(row.number), since, describe(row), String(row.operator), String(row.reason)];
}
