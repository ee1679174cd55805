/** Commands about the pins of the upstreams' tools. */
import { AdminClient, CONNECTION_OPTIONS, LIMIT_OPTION, sayMore } from "./admin_client.ts";
import { command, UsageError } from "./command.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { printable } from "./printable.ts";
import { dateText, printRows } from "./rows.ts";

const PATH = "/tools";
const TOOL = {
  name: "tool",
  help: "The upstream and the tool, joined by a slash: acme/pay_invoice.",
} as const;
const REASON = {
  kind: "text",
  value: "TEXT",
  required: true,
  help: "Why; it stands in the audit record.",
} as const;

export const toolsList = command({
  name: "tools list",
  summary: "List the tools of the upstreams, and which of them wait for an operator",
  details: [
    "The first reading of an upstream pins its tools. What changes or appears later is held, unless the upstream is " +
    "configured otherwise, until somebody approves it.",
  ],
  options: {
    upstream: { kind: "text", value: "NAME", help: "Only of this upstream.", suggests: "upstream" },
    state: {
      ...{ kind: "choice", value: "STATE", choices: ["pinned", "changed", "new", "blocked"] },
      help: "Only in this state.",
    },
    ...LIMIT_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [{ does: "what waits for me?", line: "intentgate tools list --state changed" }],
  routes: ["GET /tools"],
  run: async ({ options }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const query = {
      ...(options.upstream === undefined ? {} : { upstream: options.upstream }),
      ...(options.state === undefined ? {} : { state: options.state }),
    };
    const found = await client.list(PATH, "tools", query, options.limit);
    if (options.json) terminal.print(JSON.stringify({ tools: found.rows, next_after: found.next_after }));
    else if (found.rows.length === 0) terminal.print("No such tool is known");
    else printRows(terminal, ["TOOL", "STATE", "LISTED", "FLAGS", "DIGEST"], found.rows.map(rowOf));
    sayMore(terminal, found);
    return 0;
  },
});

export const toolsShow = command({
  name: "tools show",
  summary: "Show what a tool was when trusted, what it is now, and what is odd about it",
  args: [TOOL],
  options: { ...CONNECTION_OPTIONS },
  examples: [{ does: "what has changed?", line: "intentgate tools show acme/pay_invoice" }],
  routes: ["GET /tools/{upstream}/{name}"],
  run: async ({ options, args: [tool = ""] }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.get(pathOf(tool));
    terminal.print(options.json ? JSON.stringify(answer) : describe(answer));
    return 0;
  },
});

export const toolsApprove = command({
  name: "tools approve",
  summary: "Trust a tool as its upstream shows it now",
  details: [
    "Look at it first with tools show, which prints the digest. Approving a blocked tool ends the block.",
  ],
  args: [TOOL],
  options: {
    digest: {
      ...{ kind: "text", value: "DIGEST", required: true },
      help: "The definition that you looked at; another one by now is refused.",
    },
    reason: REASON,
    ...CONNECTION_OPTIONS,
  },
  examples: [{
    does: "approve what you have looked at",
    line: `intentgate tools approve acme/pay_invoice --digest v1:${"0".repeat(64)} --reason 'looked at it'`,
  }],
  routes: ["POST /tools/{upstream}/{name}/approve"],
  run: async ({ options, args: [tool = ""] }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const body = { digest: options.digest, reason: options.reason };
    const answer = await client.write("POST", `${pathOf(tool)}/approve`, body);
    terminal.print(
      options.json ? JSON.stringify(answer) : `Approved ${nameOf(answer)} with digest ${answer.digest}`,
    );
    return 0;
  },
});

export const toolsBlock = command({
  name: "tools block",
  summary: "Hide and refuse a tool until it is approved",
  args: [TOOL],
  options: { reason: REASON, ...CONNECTION_OPTIONS },
  examples: [{
    does: "block a tool",
    line: "intentgate tools block acme/pay_invoice --reason 'it leaks files'",
  }],
  routes: ["POST /tools/{upstream}/{name}/block"],
  run: async ({ options, args: [tool = ""] }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.write("POST", `${pathOf(tool)}/block`, { reason: options.reason });
    terminal.print(options.json ? JSON.stringify(answer) : `Blocked ${nameOf(answer)}`);
    return 0;
  },
});

function pathOf(tool: string): string {
  const slash = tool.indexOf("/");
  if (slash < 1 || slash === tool.length - 1) {
    throw new UsageError(
      `Expected an upstream and a tool like acme/pay_invoice, found "${tool.slice(0, 60)}"`,
    );
  }
  return `${PATH}/${encodeURIComponent(tool.slice(0, slash))}/${encodeURIComponent(tool.slice(slash + 1))}`;
}

function nameOf({ upstream, name }: JsonObject): string {
  return printable(`${upstream}/${name}`);
}

function rowOf(row: JsonObject): readonly string[] {
  const { state, listed, flags, digest, seen } = row;
  return [
    nameOf(row),
    String(state),
    listed === true ? "yes" : "no",
    String(flags),
    String(seen ?? digest ?? ""),
  ];
}

function describe(tool: JsonObject): string {
  const { state, digest, seen, pinned, blocked, report } = tool;
  const { changes_text: changes, flags } = isJsonObject(report) ? report : {};
  const lines = [`${nameOf(tool)} is ${state}`];
  if (isJsonObject(pinned)) lines.push(`Pinned:  ${digest} by ${pinned.by} at ${dateText(pinned.at)}`);
  if (seen !== undefined) lines.push(`Shown:   ${seen}`);
  if (isJsonObject(blocked)) lines.push(`Blocked by ${blocked.by} at ${dateText(blocked.at)}`);
  if (changes !== "") lines.push("", "Changes", String(changes));
  if (Array.isArray(flags) && flags.length > 0) {
    lines.push("", "Flags");
    for (const { severity, pointer, position, reason } of flags as readonly JsonObject[]) {
      lines.push(`${String(severity).padEnd(10)} ${pointer || "/"} at ${position}: ${reason}`);
    }
  }
  return lines.map((line) => line.split("\n").map(printable).join("\n")).join("\n");
}
