/** docs/reference/commands.md: the same declarations that `intentgate --help` is made of. */
import type { Command, Subject } from "../commands/command.ts";
import { SUBJECTS } from "../commands/command_table.ts";
import {
  CONFIGURATION_VARIABLES,
  CONNECTION_VARIABLES,
  EXIT_CODES,
  INTRODUCTION,
  optionText,
  synopsis,
} from "../commands/help.ts";
import { placeholder, spelled } from "../commands/parse_command_line.ts";

type Rows = readonly (readonly [string, string])[];

/** The page as Markdown, not yet formatted. */
export function commandsPage(): string {
  return `# Commands

${INTRODUCTION} \`intentgate\` runs it, and asks a running one: everything that its
[admin API](admin_api.md) can do has a command. \`intentgate --help\` lists them, \`intentgate <command> --help\` explains one.

${SUBJECTS.map(contents).join("\n")}

## What all commands share

${table(["exit code", "meaning"], EXIT_CODES.map(([code, meaning]) => [`\`${code}\``, meaning]))}

Answers go to standard output; errors and hints to standard error. With \`--json\` the answer is one JSON document. Lists are
read page by page; when \`--limit\` cuts one off, \`next_after\` in the document says where the rest begins. Characters that a
terminal would obey (names come from agents and tool servers) are printed as \`\\u001b\`. Every change is sent with an
idempotency key of its own, so that it happens once although a broken connection is tried again.

Secrets never stand on the command line, where every user of the machine could read them: operator tokens come from
the environment or a file, capability tokens from a file or the standard input.

### Commands that ask a gateway

${table(["variable", "meaning"], CONNECTION_VARIABLES.map(code))}

For a gateway whose certificate an authority of your own signed, \`DENO_CERT\` names the authority's PEM file.

### Commands that work on the configuration

${table(["variable", "meaning"], CONFIGURATION_VARIABLES.map(code))}

All of them are in [configuration.md](configuration.md).

### Completion

\`intentgate completion bash\`, \`zsh\` or \`fish\` prints a script that completes commands, options, values, files and, when a
gateway can be asked, names. It passes the unfinished line to \`intentgate __complete\` and evaluates nothing of it.

${SUBJECTS.map(subjectSection).join("\n\n")}
`;
}

function contents({ title, commands }: Subject): string {
  const links = commands.map(({ name }) => `[${name}](#intentgate-${name.replaceAll(" ", "-")})`);
  return `- ${title}: ${links.join(", ")}`;
}

function subjectSection({ title, commands }: Subject): string {
  return `## ${title}\n\n${commands.map(commandSection).join("\n\n")}`;
}

function commandSection(command: Command): string {
  const { name, summary, details = [], args = [], options, examples, routes = [] } = command;
  const rows: Rows = [
    ...args.map((arg) => [placeholder(arg), argumentText(arg)] as const),
    ...Object.entries(options).map((entry) => [spelled(...entry), optionText(entry[1])] as const),
  ];
  const lines = examples.flatMap(({ does, line }) => [`# ${does}`, line]);
  return [
    `### intentgate ${name}`,
    `${summary}.`,
    ...details,
    `\`\`\`text\n${synopsis(command)}\n\`\`\``,
    ...(rows.length === 0 ? [] : [table(["argument or option", "meaning"], rows.map(code))]),
    `\`\`\`sh\n${lines.join("\n")}\n\`\`\``,
    ...(routes.length === 0 ? [] : [`Calls ${routes.map((route) => `\`${route}\``).join(" and ")}.`]),
  ].join("\n\n");
}

function argumentText({ help, choices, default: value }: NonNullable<Command["args"]>[number]): string {
  return optionText({
    kind: "choice",
    help,
    ...(choices === undefined ? {} : { choices }),
    ...(value === undefined ? {} : { default: value }),
  });
}

function code([term, meaning]: readonly [string, string]): readonly [string, string] {
  return [`\`${term}\``, meaning];
}

/** Cells escape what Markdown would read as markup: `*` in the text of an option is a star. */
function table(headings: readonly [string, string], rows: Rows): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const meaning = (text: string) => cell(text).replaceAll(/[*_<>]/g, "\\$&");
  return [
    `| ${headings.join(" | ")} |`,
    "| --- | --- |",
    ...rows.map(([term, text]) => `| ${cell(term)} | ${meaning(text)} |`),
  ].join("\n");
}
