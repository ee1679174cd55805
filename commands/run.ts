/** Finds the command that the arguments name and turns its failures into exit codes. */
import { GatewayError } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import { errorText } from "../telemetry/log.ts";
import { type Command, type ExitCode, type Terminal, UsageError } from "./command.ts";
import { COMMANDS, SUBJECTS } from "./command_table.ts";
import { findCommand } from "./complete_line.ts";
import { answerShell, COMPLETE_WORD } from "./completion.ts";
import { commandHelp, groupHelp, overview } from "./help.ts";
import { parseCommandLine } from "./parse_command_line.ts";
import { printable } from "./printable.ts";
import { VERSION } from "./version.ts";

/** The real terminal. */
function realTerminal(): Terminal {
  return {
    env: Deno.env.toObject(),
    readTextFile: (path) => Deno.readTextFile(path),
    print: (text) => console.log(printable(text)),
    complain: (text) => console.error(printable(text)),
    readInput: () => new Response(Deno.stdin.readable).text(),
    inputIsTyped: () => Deno.stdin.isTerminal(),
  };
}

/** Runs one command line and returns its exit code. */
export async function runCommand(
  args: readonly string[],
  terminal: Terminal = realTerminal(),
): Promise<ExitCode> {
  if (args[0] === COMPLETE_WORD) {
    await answerShell(COMMANDS, args.slice(1), terminal);
    return 0;
  }
  if (args[0] === "--version" || args[0] === "version") {
    terminal.print(`intentgate ${VERSION}`);
    return 0;
  }
  const isHelp = asksForHelp(args);
  const path = args[0] === "help" ? args.slice(1) : args;
  const named = path.slice(0, path.findIndex((word) => word.startsWith("-")) >>> 0);
  const command = findCommand(COMMANDS, path);
  if (command === undefined) return withoutCommand(named, isHelp, terminal);
  if (isHelp) {
    terminal.print(commandHelp(command));
    return 0;
  }
  return await runFound(command, path.slice(command.name.split(" ").length), terminal);
}

async function runFound(command: Command, line: readonly string[], terminal: Terminal): Promise<ExitCode> {
  try {
    return await command.run(parseCommandLine(command, line, terminal.env), terminal);
  } catch (error) {
    return failed(command, error, terminal);
  }
}

/** `help`, `--help` or `-h`, but not as the value of something behind `--`. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  return args[0] === "help" || own.includes("--help") || own.includes("-h");
}

/** Help about all commands or those that begin with a word; an error when the words name none. */
function withoutCommand(named: readonly string[], isHelp: boolean, terminal: Terminal): ExitCode {
  const [first] = named;
  if (first === undefined) {
    terminal.print(overview(SUBJECTS));
    return isHelp ? 0 : 2;
  }
  const group = COMMANDS.filter(({ name }) => name.startsWith(`${first} `));
  if (group.length > 0 && named.length === 1) {
    terminal.print(groupHelp(first, group));
    return isHelp ? 0 : 2;
  }
  const asked = named.slice(0, group.length > 0 ? 2 : 1).join(" ");
  const near = nearest(asked, COMMANDS.map(({ name }) => name));
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
