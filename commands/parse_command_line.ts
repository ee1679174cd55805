/** Makes of a command line what the command's declaration promises, or says what is wrong with it. */
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import type { JsonValue } from "../core/json.ts";
import { nearest } from "../core/nearest.ts";
import { parseStrictJson, StrictJsonError } from "../core/strict_json.ts";
import {
  type Command,
  type OptionDeclaration,
  type OptionGroup,
  type ParsedLine,
  UsageError,
} from "./command.ts";

type Value = string | boolean | number | JsonValue | readonly string[];

/** Parses the arguments after the command's name; what is not given comes from the environment or the default. */
export function parseCommandLine(
  command: Pick<Command, "options" | "args" | "groups">,
  line: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ParsedLine {
  const { texts, positionals } = readTokens(command, line);
  const options: Record<string, Value | undefined> = {};
  for (const [name, option] of Object.entries(command.options)) {
    options[name] = valueOf(name, option, texts.get(name), env);
  }
  for (const group of command.groups ?? []) requireGroup(command, group, texts);
  return { options, args: argumentsOf(command, positionals) };
}

/** `--name`, with the placeholder of its value. */
export function spelled(name: string, option: OptionDeclaration | undefined): string {
  return option?.value === undefined ? `--${name}` : `--${name} ${option.value}`;
}

/** "a", "a or b", "a, b or c". */
export function anyOf(words: readonly string[], or = "or"): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} ${or} ${last}`;
}

/** The texts of every option that stands there, and what stands without an option. */
function readTokens(command: Pick<Command, "options">, line: readonly string[]) {
  const { tokens } = parseArgs({
    args: joinValues(line, command.options),
    options: Object.fromEntries(
      Object.entries(command.options).map((
        [name, { kind }],
      ) => [name, { type: kind === "flag" ? "boolean" : "string" }]),
    ) as ParseArgsOptionsConfig,
    ...{ allowPositionals: true, strict: false, tokens: true },
  });
  const texts = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(command.options, token.name) ? command.options[token.name] : undefined;
    if (option === undefined || !token.rawName.startsWith("--")) {
      throw new UsageError(unknownOption(token.rawName, Object.keys(command.options)));
    }
    const given = texts.get(token.name) ?? [];
    if (given.length > 0 && option.many !== true) throw new UsageError(`--${token.name} stands there twice`);
    texts.set(token.name, [...given, textOf(token, option)]);
  }
  return { texts, positionals };
}

function textOf(
  token: {
    readonly name: string;
    readonly value?: string | undefined;
    readonly inlineValue?: boolean | undefined;
  },
  option: OptionDeclaration,
): string {
  if (option.kind === "flag") {
    if (token.value === undefined) return "";
    throw new UsageError(`--${token.name} takes no value, found "${short(token.value)}"`);
  }
  // A value that begins with a dash and was not joined is the next option.
  const isMissing = token.value === undefined || (token.inlineValue !== true && token.value.startsWith("--"));
  if (isMissing) {
    throw new UsageError(`Expected a value after --${token.name}: ${spelled(token.name, option)}`);
  }
  return token.value ?? "";
}

/**
 * `--jti -x` as `--jti=-x`: identifiers in base64url may begin with a dash, and whoever pastes one means a value. What
 * follows is taken for another option only when it is one.
 */
function joinValues(line: readonly string[], options: Command["options"]): string[] {
  const joined: string[] = [];
  for (let index = 0; index < line.length; index++) {
    const word = line[index]!;
    if (word === "--") return [...joined, ...line.slice(index)];
    const next = line[index + 1];
    const option = word.startsWith("--") ? options[word.slice(2)] : undefined;
    const takesValue = option !== undefined && option.kind !== "flag";
    const isValue = next?.startsWith("-") === true && options[next.slice(2).split("=")[0]!] === undefined;
    if (takesValue && isValue) joined.push(`${word}=${line[++index]}`);
    else joined.push(word);
  }
  return joined;
}

function unknownOption(rawName: string, known: readonly string[]): string {
  const name = rawName.replace(/^-+/, "");
  const near = name.length < 2 ? undefined : nearest(name, [...known, "help"]);
  return `Unknown option "${short(rawName)}"${near === undefined ? "" : `; did you mean "--${near}"?`}`;
}

function valueOf(
  name: string,
  option: OptionDeclaration,
  texts: readonly string[] | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Value | undefined {
  if (option.kind === "flag") return texts !== undefined;
  if (option.many === true && texts !== undefined) return texts;
  const fromEnv = option.env === undefined || env[option.env] === "" ? undefined : env[option.env];
  const text = texts?.[0] ?? fromEnv ?? option.default;
  if (text !== undefined) {
    return parseValue(texts === undefined && fromEnv !== undefined ? option.env! : `--${name}`, option, text);
  }
  if (option.required !== true) return undefined;
  const wanted = option.choices === undefined ? option.value : anyOf(option.choices);
  throw new UsageError(`Expected --${name} ${wanted}`);
}

/** A value by its kind; `where` is the option or variable that it came from. */
function parseValue(where: string, option: OptionDeclaration, text: string): Value {
  switch (option.kind) {
    case "duration":
      return parseDuration(where, text);
    case "number":
      if (/^\d{1,15}$/.test(text)) return Number(text);
      throw new UsageError(`${where} expects a whole number, found "${short(text)}"`);
    case "json":
      return parseJson(where, text);
    default:
      if (option.choices === undefined || option.choices.includes(text)) return text;
      throw new UsageError(notAChoice(where, option.choices, text));
  }
}

/** A duration like `900`, `15m`, `8h` or `30d`, in seconds. */
function parseDuration(where: string, text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text);
  const seconds = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 }[match?.[2] ?? "x"];
  if (match === null || seconds === undefined) {
    throw new UsageError(`${where} expects a duration like 900, 15m, 8h or 30d, found "${short(text)}"`);
  }
  return Number(match[1]) * seconds;
}

/** JSON without duplicate names, or a usage error that names `where` it came from. */
export function parseJson(where: string, text: string): JsonValue {
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new UsageError(`${where} expects JSON: ${error.message}`);
  }
}

function notAChoice(where: string, choices: readonly string[], text: string): string {
  const near = nearest(text, choices);
  const hint = near === undefined ? "" : `; did you mean "${near}"?`;
  return `${where} expects ${anyOf(choices)}, found "${short(text)}"${hint}`;
}

function requireGroup(
  command: Pick<Command, "options">,
  { rule, options }: OptionGroup,
  texts: ReadonlyMap<string, unknown>,
): void {
  const given = options.filter((name) => texts.has(name));
  if (given.length === 1 || (given.length > 1 && rule === "at least one")) return;
  const wanted = anyOf(options.map((name) => spelled(name, command.options[name])));
  const found = given.length === 0 ? "none of them" : anyOf(given.map((name) => `--${name}`), "and");
  throw new UsageError(`Expected ${rule} of ${wanted}, found ${found}`);
}

function argumentsOf(
  { args = [] }: Pick<Command, "args">,
  positionals: readonly string[],
): readonly string[] {
  const least = args.filter((arg) => arg.default === undefined).length;
  if (positionals.length < least || positionals.length > args.length) {
    const wanted = args.length === 0 ? "no arguments" : args.map(placeholder).join(" ");
    const found = positionals.map((value) => `"${short(value)}"`).join(" ") || "none";
    throw new UsageError(`Expected ${wanted}, found ${found}`);
  }
  return args.map((arg, index) => {
    const text = positionals[index] ?? arg.default ?? "";
    if (arg.choices === undefined || arg.choices.includes(text)) return text;
    throw new UsageError(notAChoice(placeholder(arg), arg.choices, text));
  });
}

/** `<name>`, or `[name]` when it may be left out. */
export function placeholder(arg: { readonly name: string; readonly default?: string }): string {
  return arg.default === undefined ? `<${arg.name}>` : `[${arg.name}]`;
}

/** What a person typed, no longer than an error message should repeat. */
function short(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}
