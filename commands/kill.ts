/** Commands that stop calls at once, and let them go on. */
import type { JsonObject } from "../core/json.ts";
import { AdminClient, CONNECTION_OPTIONS, LIMIT_OPTION, sayMore } from "./admin_client.ts";
import { command, UsageError } from "./command.ts";
import { dateText, printRows } from "./rows.ts";

const PATH = "/kill-switches";
const REASON = {
  kind: "text",
  value: "TEXT",
  required: true,
  help: "Why; it stands in the audit record.",
} as const;

export const killEngage = command({
  name: "kill engage",
  summary: "Stop calls of agents on every replica, within a second",
  details: [
    "Stops everything, or what belongs to a tenant, goes to an upstream (a tool server) or comes from an agent. Calls " +
    "that were forwarded before go on; new ones are refused until the switch is released. Switches add up: what two of " +
    "them stop goes on only when both are released.",
  ],
  options: {
    all: { kind: "flag", help: "Every call of every tenant." },
    tenant: {
      ...{ kind: "text", value: "NAME", suggests: "tenant" },
      help: "Every call of the tenant; beside --upstream or --agent, only theirs of this tenant.",
    },
    upstream: { kind: "text", value: "NAME", help: "Every call to the upstream.", suggests: "upstream" },
    agent: {
      kind: "text",
      value: "NAME",
      help: "Every call of the agent, whatever its token; needs --tenant.",
    },
    reason: REASON,
    ...CONNECTION_OPTIONS,
  },
  groups: [{ rule: "at least one", options: ["all", "tenant", "upstream", "agent"] }],
  examples: [
    {
      does: "stop one agent",
      line: "intentgate kill engage --tenant acme --agent billing --reason 'pays the wrong invoices'",
    },
    { does: "stop everything", line: "intentgate kill engage --all --reason 'incident 42'" },
  ],
  routes: ["POST /kill-switches"],
  run: async ({ options }, terminal) => {
    const body = { ...targetOf(options), reason: options.reason };
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.write("POST", PATH, body);
    terminal.print(
      options.json ? JSON.stringify(answer) : `Engaged kill switch ${answer.number}: ${describe(answer)}\n` +
        `Release it with: intentgate kill release ${answer.number} --reason TEXT`,
    );
    return 0;
  },
});

export const killRelease = command({
  name: "kill release",
  summary: "Let calls go on that a kill switch stopped",
  args: [{
    name: "number",
    help: "The switch, by the number that kill engage and kill list print.",
    suggests: "kill switch",
  }],
  options: { reason: REASON, ...CONNECTION_OPTIONS },
  examples: [{
    does: "release switch 3",
    line: "intentgate kill release 3 --reason 'incident 42 is over'",
  }],
  routes: ["POST /kill-switches/{number}/release"],
  run: async ({ options, args: [number = ""] }, terminal) => {
    if (!/^[1-9]\d{0,15}$/.test(number)) {
      throw new UsageError(`Expected the number of a switch, found "${number.slice(0, 40)}"`);
    }
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.write("POST", `${PATH}/${number}/release`, { reason: options.reason });
    terminal.print(
      options.json ? JSON.stringify(answer) : `Released kill switch ${answer.number}: ${describe(answer)}`,
    );
    return 0;
  },
});

export const killList = command({
  name: "kill list",
  summary: "List the engaged kill switches: what is stopped, since when, by whom and why",
  options: { ...LIMIT_OPTION, ...CONNECTION_OPTIONS },
  examples: [{ does: "what is stopped now?", line: "intentgate kill list" }],
  routes: ["GET /kill-switches"],
  run: async ({ options }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const listed = await client.list(PATH, "kill_switches", {}, options.limit);
    if (options.json) {
      terminal.print(JSON.stringify({ kill_switches: listed.rows, next_after: listed.next_after }));
    } else if (listed.rows.length === 0) terminal.print("No kill switch is engaged");
    else printRows(terminal, ["NUMBER", "SINCE", "STOPS", "BY", "REASON"], listed.rows.map(rowOf));
    sayMore(terminal, listed);
    return 0;
  },
});

/** What the switch names, as the API wants it; `--tenant` narrows an upstream or an agent, or stands alone. */
function targetOf(options: {
  readonly all: boolean;
  readonly tenant: string | undefined;
  readonly upstream: string | undefined;
  readonly agent: string | undefined;
}): JsonObject {
  const { all, tenant, upstream, agent } = options;
  const named = [all, upstream !== undefined, agent !== undefined].filter((given) => given).length;
  if (named > 1 || (all && tenant !== undefined)) {
    throw new UsageError("Expected one of --all, --upstream NAME and --agent NAME, or --tenant NAME alone");
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
  return [String(row.number), dateText(row.since), describe(row), String(row.operator), String(row.reason)];
}
