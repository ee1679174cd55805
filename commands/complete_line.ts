/** What may stand at the cursor of an unfinished command line: the answer to the shell's TAB key. */
import type { Command, OptionDeclaration, Suggestion } from "./command.ts";

/** One word that fits, with what it means. */
export interface Candidate {
  readonly value: string;
  readonly help: string;
}

/** What fits; `lookUp` names what has to be asked for outside, and `prefix` what stands before such a value. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly lookUp?: Suggestion;
  readonly prefix: string;
}

const NOTHING: Completion = { candidates: [], prefix: "" };
const HELP: Candidate = { value: "--help", help: "Show help." };

/** `words` are those before the cursor's, without the program's name; `current` is what of its own stands there. */
export function completeLine(
  commands: readonly Command[],
  words: readonly string[],
  current: string,
): Completion {
  const [path, mayDescribe] = words[0] === "help" ? [words.slice(1), true] : [words, false];
  const command = findCommand(commands, path);
  const found = command === undefined
    ? completeName(commands, path, current, words.length === 0)
    : mayDescribe
    ? NOTHING
    : completeArguments(command, path.slice(command.name.split(" ").length), current);
  return { ...found, candidates: found.candidates.filter(({ value }) => value.startsWith(current)) };
}

/** The command that the first words name. */
export function findCommand(commands: readonly Command[], words: readonly string[]): Command | undefined {
  return commands.find(({ name }) => name === words.slice(0, name.split(" ").length).join(" "));
}

function completeName(
  commands: readonly Command[],
  path: readonly string[],
  current: string,
  isFirst: boolean,
): Completion {
  if (current.startsWith("-")) {
    return {
      candidates: isFirst ? [HELP, { value: "--version", help: "Show the version." }] : [HELP],
      prefix: "",
    };
  }
  const start = path.map((word) => `${word} `).join("");
  const next = new Map<string, string[]>();
  for (const { name, summary } of commands) {
    if (!name.startsWith(start)) continue;
    const [word = "", ...rest] = name.slice(start.length).split(" ");
    next.set(word, [...next.get(word) ?? [], rest.length === 0 ? summary : rest.join(" ")]);
  }
  const candidates = [...next].map(([value, help]) => ({ value, help: help.join(", ") }));
  const more = { value: "help", help: "Show help about a command" };
  return { candidates: isFirst ? [...candidates, more] : candidates, prefix: "" };
}

function completeArguments(command: Command, words: readonly string[], current: string): Completion {
  const { seen, positionals, pending, isTerminated } = walk(command, words);
  if (pending !== undefined) return completeValue(pending, "");
  const [, name, text] = isTerminated ? [] : /^--([a-z-]+)=(.*)$/s.exec(current) ?? [];
  if (name !== undefined && text !== undefined) return completeValue(command.options[name], `--${name}=`);
  if (current.startsWith("-") && !isTerminated) return { candidates: optionsLeft(command, seen), prefix: "" };
  const argument = command.args?.[positionals];
  const isOffered = argument?.suggests !== undefined || argument?.choices !== undefined;
  if (argument !== undefined && isOffered) return completeValue(argument, "");
  const candidates = argument === undefined && !isTerminated ? optionsLeft(command, seen) : [];
  return { candidates, prefix: "" };
}

/** What the words before the cursor have used up. */
function walk(command: Command, words: readonly string[]) {
  const seen = new Set<string>();
  let [positionals, isTerminated] = [0, false];
  let pending: OptionDeclaration | undefined;
  for (const word of words) {
    if (pending !== undefined) pending = undefined;
    else if (isTerminated || !word.startsWith("--")) positionals++;
    else if (word === "--") isTerminated = true;
    else {
      const [name = "", value] = word.slice(2).split("=", 2);
      const option = Object.hasOwn(command.options, name) ? command.options[name] : undefined;
      seen.add(name);
      if (option !== undefined && option.kind !== "flag" && value === undefined) pending = option;
    }
  }
  return { seen, positionals, pending, isTerminated };
}

/** Options that may still stand there, those that must first. */
function optionsLeft({ options, groups = [] }: Command, seen: ReadonlySet<string>): readonly Candidate[] {
  const decided = new Set(
    groups.filter(({ rule, options }) => rule === "exactly one" && options.some((name) => seen.has(name)))
      .flatMap((group) => group.options),
  );
  const left = Object.entries(options).filter(([name, { many }]) =>
    seen.has(name) ? many === true : !decided.has(name)
  );
  const isWanted = ([name, { required }]: (typeof left)[number]) =>
    required === true || groups.some((group) => group.options.includes(name));
  const sorted = [...left.filter(isWanted), ...left.filter((entry) => !isWanted(entry))];
  return [...sorted.map(([name, { help }]) => ({ value: `--${name}`, help })), HELP];
}

function completeValue(
  of:
    | { readonly choices?: readonly string[]; readonly suggests?: Suggestion; readonly help: string }
    | undefined,
  prefix: string,
): Completion {
  if (of?.suggests !== undefined) return { candidates: [], lookUp: of.suggests, prefix };
  const candidates = (of?.choices ?? []).map((choice) => ({ value: `${prefix}${choice}`, help: "" }));
  return { candidates, prefix };
}
