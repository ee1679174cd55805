/** What a command of the program is: one declaration, of which parsing, help, completion and the reference page are made. */
import type { JsonValue } from "../core/json.ts";
import type { Surroundings } from "./configuration.ts";

/**
 * Exit codes: 0 done, 1 the work failed or the answer is no, 2 the command line or configuration is wrong, 3 nothing is
 * wrong but not everything that was asked could be proven.
 */
export type ExitCode = 0 | 1 | 2 | 3;

/** The outside world as commands see it; tests pass their own. */
export interface Terminal extends Surroundings {
  /** Prints to standard output, with a line break. */
  readonly print: (text: string) => void;
  /** Prints to standard error, with a line break. */
  readonly complain: (text: string) => void;
  /** All of standard input. */
  readonly readInput: () => Promise<string>;
  /** Whether a person would have to type the standard input. */
  readonly inputIsTyped: () => boolean;
  /** Folder of files that a command reads and writes by a relative path; absent: the working directory. */
  readonly folder?: string;
}

/** What can be offered for a value that is not a closed list. */
export type Suggestion = "file" | "tenant" | "upstream" | "operator" | "kill switch" | "key id";

/** One option. Its name in the record that holds it is the name on the command line, without the dashes. */
export interface OptionDeclaration {
  /** `duration` becomes seconds, `number` a whole number, `json` the parsed value. */
  readonly kind: "flag" | "text" | "choice" | "duration" | "number" | "json";
  /** Stands for the value in help, for example `NAME`. */
  readonly value?: string;
  /** One sentence. */
  readonly help: string;
  readonly required?: true;
  /** May stand several times. */
  readonly many?: true;
  readonly default?: string;
  /** The variable that gives the value when the command line does not. */
  readonly env?: string;
  readonly choices?: readonly string[];
  readonly suggests?: Suggestion;
}

/** One value that stands without an option. */
export interface ArgumentDeclaration {
  readonly name: string;
  readonly help: string;
  /** Taken when it is not given; only the last argument may have one. */
  readonly default?: string;
  readonly choices?: readonly string[];
  readonly suggests?: Suggestion;
}

/** Options of which exactly one, or at least one, must be given. */
export interface OptionGroup {
  readonly rule: "exactly one" | "at least one";
  readonly options: readonly string[];
}

/** A command line that works, with what it is for. */
export interface Example {
  readonly does: string;
  readonly line: string;
}

export type OptionDeclarations = Readonly<Record<string, OptionDeclaration>>;

type Parsed<Option extends OptionDeclaration> = Option["kind"] extends "flag" ? boolean
  : Option["kind"] extends "duration" | "number" ? number
  : Option["kind"] extends "json" ? JsonValue
  : Option extends { choices: infer Choices extends readonly string[] } ? Choices[number]
  : string;

type IsGiven<Option extends OptionDeclaration> = Option extends
  { kind: "flag" } | { required: true } | { default: string } ? true : false;

/** What a command gets of its options: parsed, with defaults in place. */
export type OptionValues<Options extends OptionDeclarations> = {
  readonly [Name in keyof Options]: Options[Name] extends { many: true } ? readonly string[] | undefined
    : IsGiven<Options[Name]> extends true ? Parsed<Options[Name]>
    : Parsed<Options[Name]> | undefined;
};

/** What a command gets of its command line. */
export interface Given<Options extends OptionDeclarations = OptionDeclarations> {
  readonly options: OptionValues<Options>;
  /** In the order of the declaration, all of them. */
  readonly args: readonly string[];
}

/** Everything that the program knows of one command. */
export interface CommandDeclaration<Options extends OptionDeclarations = OptionDeclarations> {
  /** Words after the program's name, for example `token mint`. */
  readonly name: string;
  /** One line without a final period, beginning with a verb. */
  readonly summary: string;
  /** Paragraphs with what the summary leaves out. */
  readonly details?: readonly string[];
  readonly args?: readonly ArgumentDeclaration[];
  readonly options: Options;
  readonly groups?: readonly OptionGroup[];
  readonly examples: readonly Example[];
  /** Routes of the admin API that it calls, as the reference names them: `POST /tokens`. */
  readonly routes?: readonly string[];
  /** It works on this machine's configuration instead. */
  readonly reads?: "configuration";
  run(given: Given<Options>, terminal: Terminal): Promise<ExitCode>;
}

/** A parsed command line, before its types are known. */
export interface ParsedLine {
  readonly options: Readonly<Record<string, unknown>>;
  readonly args: readonly string[];
}

/** A declared command whose options nobody needs to know by their types. */
export interface Command extends Omit<CommandDeclaration, "run"> {
  run(given: ParsedLine, terminal: Terminal): Promise<ExitCode>;
}

/** Commands about one thing, under one heading. */
export interface Subject {
  readonly title: string;
  readonly commands: readonly Command[];
}

/** Declares a command: the types of what `run` gets follow from the options. */
export function command<const Options extends OptionDeclarations>(
  declaration: CommandDeclaration<Options>,
): Command {
  // The parser gives `run` exactly what the declaration promises.
  return declaration as unknown as Command;
}

/** The command line is wrong: exit code 2 and a hint at `--help`. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
