/** Finds the command that the arguments name and turns its failures into exit codes. */
import { GatewayError } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import { errorText } from "../telemetry/log.ts";
import { check } from "./check.ts";
import { type Command, type ExitCode, type Terminal, UsageError } from "./command.ts";
import { killEngage, killList, killRelease } from "./kill.ts";
import { keysActivate, keysAdd, keysList, keysRetire } from "./keys.ts";
import { migrate } from "./migrate.ts";
import { operatorCreate, operatorDelete, operatorList } from "./operators.ts";
import { serve } from "./serve.ts";
import { tenantCreate, tenantList, tenantSet, tenantShow } from "./tenants.ts";
import { tokenAttenuate, tokenInspect } from "./token_offline.ts";
import { tokenMint, tokenRevoke } from "./token_online.ts";
import { VERSION } from "./version.ts";

const COMMANDS: readonly Command[] = [
  serve,
  check,
  migrate,
  tokenMint,
  tokenInspect,
  tokenAttenuate,
  tokenRevoke,
  killEngage,
  killRelease,
  killList,
  keysList,
  keysAdd,
  keysActivate,
  keysRetire,
  operatorCreate,
  operatorList,
  operatorDelete,
  tenantCreate,
  tenantList,
  tenantShow,
  tenantSet,
];

/** The real terminal. */
function realTerminal(): Terminal {
  return {
    env: Deno.env.toObject(),
    readTextFile: (path) => Deno.readTextFile(path),
    print: (text) => console.log(text),
    complain: (text) => console.error(text),
    readInput: () => new Response(Deno.stdin.readable).text(),
  };
}

/** Runs one command line and returns its exit code. */
export async function runCommand(
  args: readonly string[],
  terminal: Terminal = realTerminal(),
): Promise<ExitCode> {
  const asked = args.includes("--help") || args.includes("-h");
  if (args.length === 0 || args[0] === "help" || (asked && args[0]?.startsWith("-"))) {
    terminal.print(overview());
    return args.length === 0 ? 2 : 0;
  }
  if (args[0] === "--version" || args[0] === "version") {
    terminal.print(`intentgate ${VERSION}`);
    return 0;
  }
  const command = find(args);
  if (command === undefined) return unknown(args, terminal);
  if (asked) {
    terminal.print(`${command.summary}\n\nUsage: intentgate ${command.name} ${command.usage}`);
    return 0;
  }
  try {
    return await command.run(args.slice(command.name.split(" ").length), terminal);
  } catch (error) {
    return failed(command, error, terminal);
  }
}

function find(args: readonly string[]): Command | undefined {
  return COMMANDS.find((command) => command.name === args.slice(0, command.name.split(" ").length).join(" "));
}

function unknown(args: readonly string[], terminal: Terminal): ExitCode {
  const isGroup = COMMANDS.some((command) => command.name.startsWith(`${args[0]} `));
  const asked = args.slice(0, isGroup ? 2 : 1).join(" ");
  const near = nearest(asked, COMMANDS.map((command) => command.name));
  terminal.complain(`Unknown command "${asked}"${near === undefined ? "" : `; did you mean "${near}"?`}`);
  terminal.complain(`Run "intentgate --help" for the list of commands`);
  return 2;
}

function failed(command: Command, error: unknown, terminal: Terminal): ExitCode {
  if (error instanceof UsageError) {
    terminal.complain(`${error.message}\nRun "intentgate ${command.name} --help" for its options`);
    return 2;
  }
  terminal.complain(errorText(error));
  if (!(error instanceof GatewayError)) terminal.complain(error instanceof Error ? error.stack ?? "" : "");
  return error instanceof GatewayError && error.code === "config_invalid" ? 2 : 1;
}

function overview(): string {
  const width = Math.max(...COMMANDS.map((command) => command.name.length));
  const lines = COMMANDS.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`);
  return [
    `intentgate ${VERSION}: an authorization gateway between AI agents and the tool servers they call`,
    "",
    "Usage: intentgate <command> [options]",
    "",
    ...lines,
    "",
    'Every command takes --help; those that answer take --json. Exit codes: 0 done, 1 failed or "no", 2 wrong usage.',
    "Configuration: INTENTGATE_CONFIG names a JSON or YAML file; see docs/reference/configuration.md.",
  ].join("\n");
}
