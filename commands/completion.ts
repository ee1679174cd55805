/** Shell completion: the scripts that a shell loads, and what they ask at every TAB. */
import { type Command, command, type Terminal } from "./command.ts";
import { type Candidate, completeLine } from "./complete_line.ts";
import { lookUpNames } from "./complete_values.ts";
import bash from "./shells/intentgate.bash" with { type: "text" };
import fish from "./shells/intentgate.fish" with { type: "text" };
import zsh from "./shells/intentgate.zsh" with { type: "text" };

const SCRIPTS: Readonly<Record<string, string>> = { bash, zsh, fish };

/** What the scripts run: `intentgate __complete <words before the cursor's> <the cursor's>`. */
export const COMPLETE_WORD = "__complete";

export const completion = command({
  name: "completion",
  summary: "Print a script that teaches your shell to complete intentgate with the TAB key",
  details: [
    "Completes commands, options, their values and files; names of tenants, upstreams, operators and kill switches too, " +
    "when INTENTGATE_URL and an operator token are set in the shell and the gateway answers within a second.",
  ],
  args: [{ name: "shell", help: "The shell that the script is for.", choices: ["bash", "zsh", "fish"] }],
  options: {},
  examples: [
    { does: "bash: add this line to ~/.bashrc", line: "source <(intentgate completion bash)" },
    { does: "zsh: add this line to ~/.zshrc, after compinit", line: "source <(intentgate completion zsh)" },
    {
      does: "fish: once",
      line: "intentgate completion fish > ~/.config/fish/completions/intentgate.fish",
    },
  ],
  run: ({ args: [shell = ""] }, terminal) => {
    terminal.print((SCRIPTS[shell] ?? "").trimEnd());
    return Promise.resolve(0);
  },
});

/**
 * Prints what fits at the cursor, a line each: the word, a TAB, what it means. The last line says what the shell itself
 * shall add: `:files` or `:nothing`. Never fails: a shell would show the error in the middle of the line.
 */
export async function answerShell(
  commands: readonly Command[],
  words: readonly string[],
  terminal: Terminal,
): Promise<void> {
  const current = words.at(-1) ?? "";
  const { candidates, lookUp, prefix } = completeLine(commands, words.slice(0, -1), current);
  const names = lookUp === undefined ? [] : await lookUpNames(lookUp, terminal);
  const looked = names.map((name) => ({ ...name, value: `${prefix}${name.value}` }));
  for (const candidate of [...candidates, ...looked.filter(({ value }) => value.startsWith(current))]) {
    terminal.print(lineOf(candidate));
  }
  terminal.print(lookUp === "file" ? ":files" : ":nothing");
}

function lineOf({ value, help }: Candidate): string {
  return help === "" ? value : `${value}\t${help}`;
}
