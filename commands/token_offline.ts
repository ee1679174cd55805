/** Commands that work on a token alone, without gateway and without key. */
import { attenuateToken } from "../core/token/attenuate.ts";
import { inspectToken } from "../core/token/inspect.ts";
import { TokenError } from "../core/token/token_error.ts";
import { GatewayError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { type Command, parseOptions, type Terminal, UsageError } from "./command.ts";
import { parseDuration, RESTRICTION_OPTIONS, RESTRICTION_USAGE, restrictionsOf } from "./token_options.ts";

const TOKEN_USAGE = "  <token>            the token, or - to read it from standard input";

export const tokenInspect: Command = {
  name: "token inspect",
  summary: "Show what a token says, without verifying it",
  usage: [
    "<token> [--json]",
    "",
    TOKEN_USAGE,
    "  --json             print JSON",
    "",
    "Nothing is verified: whether the gateway accepts the token only the gateway can say.",
  ].join("\n"),
  run: async (args, terminal) => {
    const { values, positionals } = parseOptions(args, { json: { type: "boolean", default: false } }, [
      "token",
    ]);
    const token = await readToken(positionals[0], terminal);
    const content = await unlessTokenError(() => inspectToken(token));
    if (values.json) {
      terminal.print(JSON.stringify(content));
      return 0;
    }
    for (const [index, block] of content.blocks.entries()) {
      terminal.print(`block ${index}  ${block.id}`);
      for (const [name, value] of Object.entries(block.content)) {
        terminal.print(`  ${name.padEnd(12)} ${shown(name, value)}`);
      }
    }
    return 0;
  },
};

export const tokenAttenuate: Command = {
  name: "token attenuate",
  summary: "Append restrictions to a token; needs no key",
  usage: [
    "<token> [options]",
    "",
    TOKEN_USAGE,
    "  --ttl DURATION     expire that much later than now, like 15m",
    "  --delegate NAME    who gets the narrower token; informational",
    RESTRICTION_USAGE,
    "  --json             print JSON",
  ].join("\n"),
  run: async (args, terminal) => {
    const { values, positionals } = parseOptions(args, {
      ...RESTRICTION_OPTIONS,
      ttl: { type: "string" },
      delegate: { type: "string" },
      json: { type: "boolean", default: false },
    }, ["token"]);
    const token = await readToken(positionals[0], terminal);
    const exp = values.ttl === undefined
      ? undefined
      : Math.floor(Date.now() / 1000) + parseDuration("--ttl", values.ttl);
    const block = {
      ...(values.delegate === undefined ? {} : { delegate: values.delegate }),
      ...(exp === undefined ? {} : { exp }),
      ...restrictionsOf(values),
    };
    if (Object.keys(block).length === 0) throw new UsageError("Expected at least one restriction");
    const child = await unlessTokenError(() => attenuateToken(token, block));
    terminal.print(values.json ? JSON.stringify({ token: child }) : child);
    return 0;
  },
};

async function readToken(argument: string | undefined, terminal: Terminal): Promise<string> {
  return (argument === "-" ? await terminal.readInput() : argument ?? "").trim();
}

async function unlessTokenError<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    throw new GatewayError("internal", `Cannot use the token: ${error.message}`);
  }
}

/** Times also as dates. */
function shown(name: string, value: JsonValue | undefined): string {
  const text = JSON.stringify(value);
  const isTime = ["iat", "exp", "nbf"].includes(name) && typeof value === "number" && value < 8.64e12;
  return isTime ? `${text} (${new Date(value * 1000).toISOString()})` : text;
}
