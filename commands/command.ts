/** What a command of the program is, and what it may touch. */
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import type { Surroundings } from "./configuration.ts";

/** Exit codes: 0 done, 1 the work failed or the answer is no, 2 the command line or configuration is wrong. */
export type ExitCode = 0 | 1 | 2;

/** The outside world as commands see it; tests pass their own. */
export interface Terminal extends Surroundings {
  /** Prints to standard output, with a line break. */
  readonly print: (text: string) => void;
  /** Prints to standard error, with a line break. */
  readonly complain: (text: string) => void;
  readonly readInput: () => Promise<string>;
}

export interface Command {
  /** Words after the program's name, for example `token mint`. */
  readonly name: string;
  readonly summary: string;
  /** Shown by `--help`: the line of arguments and one line per option. */
  readonly usage: string;
  run(args: readonly string[], terminal: Terminal): Promise<ExitCode>;
}

/** The command line is wrong: exit code 2 and a hint at `--help`. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Parses options and positional arguments; unknown options and missing values are usage errors. */
export function parseOptions<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
  positionals: readonly string[] = [],
) {
  const parsed = parse(args, options);
  if (parsed.positionals.length !== positionals.length) {
    const wanted = positionals.length === 0
      ? "no arguments"
      : positionals.map((name) => `<${name}>`).join(" ");
    const found = parsed.positionals.map((value) => `"${value.slice(0, 40)}"`).join(" ") || "none";
    throw new UsageError(`Expected ${wanted}, found ${found}`);
  }
  return parsed;
}

/**
 * `--jti -x` as `--jti=-x`: identifiers in base64url may begin with a dash, and whoever pastes one means a value. What
 * follows is taken for another option only when it is one.
 */
function joinValues(args: readonly string[], options: ParseArgsOptionsConfig): string[] {
  const joined: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    const value = args[index + 1];
    const takesValue = arg.startsWith("--") && options[arg.slice(2)]?.type === "string";
    const isValue = value?.startsWith("-") === true && options[value.slice(2).split("=")[0]!] === undefined;
    if (takesValue && isValue) joined.push(`${arg}=${args[++index]}`);
    else joined.push(arg);
  }
  return joined;
}

function parse<const Options extends ParseArgsOptionsConfig>(args: readonly string[], options: Options) {
  try {
    return parseArgs({ args: joinValues(args, options), options, allowPositionals: true, strict: true });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message.split(". To specify")[0] ?? "");
    throw error;
  }
}
