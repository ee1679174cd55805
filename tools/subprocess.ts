/** Child processes of the build and test scripts: bounded in time, their output kept. */

/** What to run, where, and how long it may take. */
export interface Run {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** How it ended; `code` is 124 after a timeout, and 127 when the program does not exist. */
export interface Ran {
  readonly code: number;
  /** Standard output and standard error, one after the other. */
  readonly output: string;
  readonly stdout: string;
}

/** The project's root folder, without a final slash. */
export function projectRoot(): string {
  return decodeURIComponent(new URL("..", import.meta.url).pathname).replace(/\/$/, "");
}

/** Runs a program to its end. Never throws: a program that cannot be started is an answer too. */
export async function run(options: Run): Promise<Ran> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  try {
    const command = new Deno.Command(options.command, {
      args: [...options.args],
      cwd: options.cwd,
      // Colours would hide the summaries that tools/test.ts reads.
      env: { NO_COLOR: "1", ...options.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal,
    });
    const { code, stdout, stderr } = await command.output();
    const [out, err] = [new TextDecoder().decode(stdout), new TextDecoder().decode(stderr)];
    const late = signal.aborted ? `\nStopped after ${options.timeoutMs} ms\n` : "";
    return { code: signal.aborted ? 124 : code, output: err + out + late, stdout: out };
  } catch (error) {
    return { code: 127, output: `Cannot run "${options.command}": ${error}\n`, stdout: "" };
  }
}
