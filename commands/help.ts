/** Help as text, made of the declarations. */
import type { Command, Example, OptionDeclaration, OptionGroup, Subject } from "./command.ts";
import { placeholder, spelled } from "./parse_command_line.ts";
import { VERSION } from "./version.ts";

const WIDTH = 100;

/** What the program is, for people who have never heard of it. */
export const INTRODUCTION =
  "IntentGate stands between AI agents and the MCP tool servers they call: it allows, blocks or escalates every call " +
  "and writes each decision into a tamper-evident record.";

/** What every command that asks a running gateway reads from its environment. */
export const CONNECTION_VARIABLES: readonly (readonly [string, string])[] = [
  [
    "INTENTGATE_URL",
    "Address of the gateway's admin API. When it is not set, the address that serve would listen on here: " +
    "INTENTGATE_ADMIN_LISTEN, else INTENTGATE_LISTEN, else 127.0.0.1:8080.",
  ],
  [
    "INTENTGATE_OPERATOR_TOKEN",
    "The operator token: who you are and what you may do. When it is not set, the token that serve generated, from " +
    "the file operator_token in the data folder (INTENTGATE_DATA_DIR, else ./.intentgate).",
  ],
  ["INTENTGATE_OPERATOR_TOKEN_FILE", "A file that holds the operator token instead."],
];

/** What a command that works on the configuration reads from its environment. */
export const CONFIGURATION_VARIABLES: readonly (readonly [string, string])[] = [
  ["INTENTGATE_CONFIG", "The configuration file, JSON or YAML. Without it, the defaults."],
  ["INTENTGATE_*", "Single members of the configuration; they win over the file."],
  [
    "DATABASE_URL",
    "PostgreSQL, as postgres://user:password@host/database. Without it, the embedded database.",
  ],
  ["DATABASE_URL_FILE", "A file that holds it instead; every secret can be given so."],
];

/** Exit codes with their meanings. */
export const EXIT_CODES: readonly (readonly [string, string])[] = [
  ["0", "Done."],
  ["1", "The work failed, was refused, or the answer is no."],
  ["2", "The command line or the configuration is wrong; nothing was done."],
  [
    "3",
    "Nothing is wrong, but what was asked could not be proven; only from the audit commands that verify.",
  ],
];

/** The list of all commands. */
export function overview(subjects: readonly Subject[]): string {
  const width = Math.max(...subjects.flatMap(({ commands }) => commands.map(({ name }) => name.length)));
  return [
    wrap(INTRODUCTION, 0),
    section("Usage", ["  intentgate <command> [options]"]),
    ...subjects.map(({ title, commands }) =>
      section(title, commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`))
    ),
    section("Exit codes", definitions(EXIT_CODES)),
    [
      'Run "intentgate <command> --help" for the options, the environment and examples of a command.',
      `Version ${VERSION}`,
    ].join("\n"),
  ].join("\n\n");
}

/** The commands that begin with a word, for example those of `token`. */
export function groupHelp(word: string, commands: readonly Command[]): string {
  return [
    section("Usage", [`  intentgate ${word} <command> [options]`]),
    section("Commands", definitions(commands.map(({ name, summary }) => [name, summary]))),
    `Run "intentgate ${word} <command> --help" for more about one of them.`,
  ].join("\n\n");
}

/** Everything about one command. */
export function commandHelp(command: Command): string {
  const { args = [], options, details = [] } = command;
  const optionRows = Object.entries(options).map((entry) =>
    [spelled(...entry), optionText(entry[1])] as const
  );
  return [
    `${command.summary}.`,
    ...details.map((paragraph) => wrap(paragraph, 0)),
    section("Usage", [`  ${wrap(synopsis(command), 6).trimStart()}`]),
    ...(args.length === 0
      ? []
      : [section("Arguments", definitions(args.map((arg) => [placeholder(arg), argumentText(arg)])))]),
    section("Options", definitions([...optionRows, ["--help", "Show this text."]])),
    ...environmentOf(command),
    section("Examples", command.examples.flatMap(exampleLines)),
  ].join("\n\n");
}

/** The command line in one line. */
export function synopsis({ name, args = [], options, groups = [] }: Command): string {
  const grouped = new Set(groups.flatMap((group) => group.options));
  const required = Object.entries(options).filter(([option, { required }]) =>
    required && !grouped.has(option)
  );
  const parts = [
    ...args.map(placeholder),
    ...groups.map((group) => groupText(group, options)),
    ...required.map((entry) => spelled(...entry)),
  ];
  return ["intentgate", name, ...parts, "[options]"].join(" ");
}

function groupText(group: OptionGroup, options: Command["options"]): string {
  return `(${group.options.map((name) => spelled(name, options[name])).join(" | ")})`;
}

/** The sentence of an option with what else holds: choices, default, variable. */
export function optionText(option: OptionDeclaration): string {
  return [
    option.help,
    ...(option.choices === undefined ? [] : [`One of ${option.choices.join(", ")}.`]),
    ...(option.many === true ? ["May stand several times."] : []),
    ...(option.required === true ? ["Required."] : []),
    ...(option.default === undefined ? [] : [`Default: ${defaultText(option)}.`]),
    ...(option.env === undefined ? [] : [`Default: the variable ${option.env}.`]),
  ].join(" ");
}

function defaultText({ kind, default: value = "" }: OptionDeclaration): string {
  return kind === "text" ? `"${value}"` : value;
}

function argumentText(arg: NonNullable<Command["args"]>[number]): string {
  const choices = arg.choices === undefined ? "" : ` One of ${arg.choices.join(", ")}.`;
  return `${arg.help}${choices}${arg.default === undefined ? "" : ` Default: ${arg.default}.`}`;
}

function environmentOf(command: Command): string[] {
  const variables = variablesOf(command);
  return variables.length === 0 ? [] : [section("Environment", definitions(variables))];
}

/** The variables that a command reads. */
export function variablesOf({ routes = [], reads }: Command): readonly (readonly [string, string])[] {
  if (routes.length > 0) return CONNECTION_VARIABLES;
  return reads === "configuration" ? CONFIGURATION_VARIABLES : [];
}

function exampleLines({ does, line }: Example): string[] {
  return [`  # ${does}`, `  $ ${line}`];
}

function section(title: string, lines: readonly string[]): string {
  return [`${title}:`, ...lines].join("\n");
}

/** Terms on the left, what they mean beside them; a long term gets a line of its own. */
function definitions(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(30, Math.max(...rows.map(([term]) => term.length)));
  return rows.map(([term, meaning]) => {
    const text = wrap(meaning, width + 4).trimStart();
    return term.length > width
      ? `  ${term}\n${" ".repeat(width + 4)}${text}`
      : `  ${term.padEnd(width)}  ${text}`;
  });
}

/** Breaks at spaces, so that no line is wider than the page; every line is indented. */
function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (longer.length > WIDTH - indent && line !== "") {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line].map((each) => " ".repeat(indent) + each).join("\n");
}
