/** Options by which a command line restricts a token. */
import type { JsonObject, JsonValue } from "../core/json.ts";
import { parseStrictJson, StrictJsonError } from "../core/strict_json.ts";
import { UsageError } from "./command.ts";

export const RESTRICTION_OPTIONS = {
  upstream: { type: "string", multiple: true },
  tool: { type: "string", multiple: true },
  "deny-tool": { type: "string", multiple: true },
  method: { type: "string", multiple: true },
  args: { type: "string" },
  "max-calls": { type: "string" },
} as const;

export const RESTRICTION_USAGE = [
  "  --upstream NAME    upstream or glob it may use; repeat for several",
  "  --tool NAME        tool or glob it may call, also as upstream__tool; repeat for several",
  "  --deny-tool NAME   tool or glob it may not call; repeat for several",
  "  --method NAME      MCP method it may use; repeat for several",
  '  --args JSON        argument constraints by tool, for example \'{"pay_invoice":{"type":"object",…}}\'',
  "  --max-calls N      how many calls it may make in all",
].join("\n");

/** Values of `RESTRICTION_OPTIONS` as `parseArgs` returns them. */
export interface RestrictionValues {
  readonly upstream?: string[] | undefined;
  readonly tool?: string[] | undefined;
  readonly "deny-tool"?: string[] | undefined;
  readonly method?: string[] | undefined;
  readonly args?: string | undefined;
  readonly "max-calls"?: string | undefined;
}

/** The restrictions that the options name, by their names in the token. */
export function restrictionsOf(values: RestrictionValues): JsonObject {
  const named: Record<string, JsonValue | undefined> = {
    upstreams: values.upstream,
    tools: values.tool,
    deny_tools: values["deny-tool"],
    methods: values.method,
    args: values.args === undefined ? undefined : parseJsonOption("--args", values.args),
    max_calls: values["max-calls"] === undefined ? undefined : parseCount("--max-calls", values["max-calls"]),
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}

/** A duration like `900`, `15m`, `8h` or `30d`, in seconds. */
export function parseDuration(option: string, text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text);
  const seconds = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 }[match?.[2] ?? "x"];
  if (match === null || seconds === undefined) {
    throw new UsageError(`${option} expects a duration like 900, 15m, 8h or 30d, found "${text}"`);
  }
  return Number(match[1]) * seconds;
}

function parseCount(option: string, text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new UsageError(`${option} expects a whole number, found "${text}"`);
  return Number(text);
}

function parseJsonOption(option: string, text: string): JsonValue {
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new UsageError(`${option} expects JSON: ${error.message}`);
  }
}
