/** Options by which a command line restricts a token. */
import type { JsonObject, JsonValue } from "../core/json.ts";
import { GatewayError } from "../core/errors.ts";
import { type OptionDeclarations, type OptionValues, type Terminal, UsageError } from "./command.ts";
import { parseJson } from "./parse_command_line.ts";

/** What a new block may restrict; each says which calls are left. */
export const RESTRICTION_OPTIONS = {
  upstream: {
    ...{ kind: "text", value: "NAME", many: true, suggests: "upstream" },
    help: "An upstream (tool server) that it may use; * stands for any text.",
  },
  tool: {
    ...{ kind: "text", value: "NAME", many: true },
    help: "A tool that it may call, like read_invoice, read_* or erp__read_invoice for one upstream's.",
  },
  "deny-tool": {
    ...{ kind: "text", value: "NAME", many: true },
    help: "A tool that it may not call, whatever --tool says.",
  },
  method: {
    ...{ kind: "text", value: "NAME", many: true },
    help: "An MCP method that it may use, like tools/call.",
  },
  args: {
    ...{ kind: "json", value: "JSON" },
    help: 'What the arguments of a tool must be: JSON Schemas by tool, like {"pay":{"type":"object", ...}}.',
  },
  "args-file": { kind: "text", value: "FILE", help: "The same from a file.", suggests: "file" },
  "max-calls": { kind: "number", value: "N", help: "How many calls it may make in all." },
} as const satisfies OptionDeclarations;

/** The restrictions that the options name, by their names in the token. */
export async function restrictionsOf(
  options: OptionValues<typeof RESTRICTION_OPTIONS>,
  terminal: Terminal,
): Promise<JsonObject> {
  const file = options["args-file"];
  if (file !== undefined && options.args !== undefined) {
    throw new UsageError("Expected either --args JSON or --args-file FILE, found both");
  }
  const named: Record<string, JsonValue | undefined> = {
    upstreams: options.upstream,
    tools: options.tool,
    deny_tools: options["deny-tool"],
    methods: options.method,
    args: file === undefined ? options.args : parseJson(`"${file}"`, await readFile(file, terminal)),
    max_calls: options["max-calls"],
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)) as JsonObject;
}

/** A file that the command line names. */
export async function readFile(path: string, terminal: Terminal): Promise<string> {
  try {
    return await terminal.readTextFile(path);
  } catch (cause) {
    throw new GatewayError("config_invalid", `Cannot read the file "${path}"`, { cause });
  }
}
