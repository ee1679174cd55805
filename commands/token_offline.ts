/** Commands that work on a token alone, without gateway and without key. */
import { GatewayError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { command, type Terminal, UsageError } from "./command.ts";
import { readFile, RESTRICTION_OPTIONS, restrictionsOf } from "./token_options.ts";

/** A token is a secret: as an argument every user of the machine could read it, and the shell would keep it. */
const TOKEN_FILE = {
  name: "file",
  help: "The file that holds the token; - is the standard input.",
  default: "-",
  suggests: "file",
} as const;
const JSON_OPTION = { kind: "flag", help: "Print one JSON document, for scripts." } as const;

export const tokenInspect = command({
  name: "token inspect",
  summary: "Show what a token says, without verifying it",
  details: ["Asks nobody: whether the gateway accepts the token, only the gateway can say."],
  args: [TOKEN_FILE],
  options: { json: JSON_OPTION },
  examples: [
    { does: "a token in a file", line: "intentgate token inspect nightly.token" },
    { does: "a token in a variable", line: 'echo "$TOKEN" | intentgate token inspect' },
  ],
  run: async ({ options, args: [file = "-"] }, terminal) => {
    const token = await readToken(file, terminal);
    const { inspectToken } = await import("../core/token/inspect.ts");
    const content = await unlessTokenError(() => inspectToken(token));
    if (options.json) {
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
});

export const tokenAttenuate = command({
  name: "token attenuate",
  summary: "Make a narrower token out of a token, for example to hand it on",
  details: [
    "Needs neither key nor gateway. Every restriction holds beside those that the token has; none can be taken away. " +
    "Revoking a token ends every token that was made from it.",
  ],
  args: [TOKEN_FILE],
  options: {
    ttl: {
      kind: "duration",
      value: "DURATION",
      help: "How long the new token is valid from now on, like 15m.",
    },
    delegate: {
      ...{ kind: "text", value: "NAME" },
      help: "Who gets the new token; it stands in the audit record and restricts nothing.",
    },
    ...RESTRICTION_OPTIONS,
    json: JSON_OPTION,
  },
  examples: [{
    does: "two calls of one tool, within ten minutes",
    line:
      'echo "$TOKEN" | intentgate token attenuate --delegate summarizer --tool read_invoice --max-calls 2 --ttl 10m',
  }],
  run: async ({ options, args: [file = "-"] }, terminal) => {
    const block = {
      ...(options.delegate === undefined ? {} : { delegate: options.delegate }),
      ...(options.ttl === undefined ? {} : { exp: Math.floor(Date.now() / 1000) + options.ttl }),
      ...await restrictionsOf(options, terminal),
    };
    if (Object.keys(block).length === 0) {
      throw new UsageError("Expected at least one restriction, found none");
    }
    const token = await readToken(file, terminal);
    const { attenuateToken } = await import("../core/token/attenuate.ts");
    const child = await unlessTokenError(() => attenuateToken(token, block));
    terminal.print(options.json ? JSON.stringify({ token: child }) : child);
    return 0;
  },
});

async function readToken(file: string, terminal: Terminal): Promise<string> {
  if (/^ig\d+\./.test(file)) {
    throw new UsageError(
      "Expected the name of a file, found a token: on the command line every user of this machine could read it. " +
        "Use a file, or the standard input",
    );
  }
  if (file !== "-") return (await readFile(file, terminal)).trim();
  if (terminal.inputIsTyped()) terminal.complain("Paste the token, then press Enter and Ctrl-D");
  return (await terminal.readInput()).trim();
}

async function unlessTokenError<T>(work: () => T | Promise<T>): Promise<T> {
  const { TokenError } = await import("../core/token/token_error.ts");
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
