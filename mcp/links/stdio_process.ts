/**
 * One tool server as a child process: started without a shell, with no environment but what it is given, in a process
 * group of its own that is ended as a whole, and, where the machine has `setpriv`, ended by the kernel when the
 * gateway dies without a word.
 */
import { settledWithin } from "../settled_within.ts";
import { EndlessLine, LineSplitter, type SplitLine } from "./line_splitter.ts";

/** What is started. */
export interface StdioCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** The whole environment; only `PATH` is added when it is not named, because without it hardly anything starts. */
  readonly env: Readonly<Record<string, string>>;
}

export interface StdioProcessOptions {
  readonly maxLineBytes: number;
  /** One line of standard output. */
  readonly onLine: (line: SplitLine) => void;
  /** One line of standard error, cut to `MAX_STDERR_LINE`; at most `STDERR_LINES_PER_SECOND`. */
  readonly onStderr?: (line: string) => void;
}

/** Longest part of a line of standard error that is passed on. */
const MAX_STDERR_LINE = 1_000;
const STDERR_LINES_PER_SECOND = 20;
/** Most bytes that wait for a process that does not read. */
const MAX_QUEUED_BYTES = 32 * 1024 * 1024;
/** After its input was closed, after SIGTERM. */
const CLOSE_GRACE_MS = 500;
const TERM_GRACE_MS = 2_000;
/** What a process wrote last is still read so long after its end. */
const PIPE_GRACE_MS = 500;

const SETPRIV_PATHS: readonly string[] = ["/usr/bin/setpriv", "/bin/setpriv"];
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number;
  readonly signal: string | undefined;
}

/** The queue to the process is full, or the process is gone. */
export class ProcessUnwritable extends Error {
  override readonly name = "ProcessUnwritable";
}

/** A running process. */
export class StdioProcess {
  readonly ended: Promise<ProcessEnd>;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array>;
  readonly #errors: ReadableStreamDefaultReader<Uint8Array>;
  #queuedBytes = 0;
  #hasEnded = false;
  #stopping: Promise<void> | undefined;

  private constructor(child: Deno.ChildProcess, options: StdioProcessOptions) {
    this.#child = child;
    this.#stdin = child.stdin.getWriter();
    this.#stdin.closed.catch(() => {});
    this.#output = child.stdout.getReader();
    this.#errors = child.stderr.getReader();
    const output = this.#readOutput(options).catch(() => this.#signal("SIGKILL"));
    const errors = readErrors(this.#errors, options.onStderr ?? (() => {})).catch(() => {});
    this.ended = this.#watch(Promise.all([output, errors]));
  }

  /** Starts it; throws what the runtime throws when there is no such program or folder. */
  static async start(command: StdioCommand, options: StdioProcessOptions): Promise<StdioProcess> {
    const [program, ...args] = [...await deathSignal(), command.command, ...command.args];
    const child = new Deno.Command(program as string, {
      args,
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
      clearEnv: true,
      env: { PATH: Deno.env.get("PATH") ?? DEFAULT_PATH, ...command.env },
      // A group of its own: signals reach what it started, and a Ctrl-C at the gateway's terminal does not reach it.
      detached: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return new StdioProcess(child, options);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Writes one line; throws `ProcessUnwritable`. */
  async write(line: string): Promise<void> {
    const bytes = new TextEncoder().encode(`${line}\n`);
    if (
      this.#hasEnded || this.#stopping !== undefined || this.#queuedBytes + bytes.length > MAX_QUEUED_BYTES
    ) {
      throw new ProcessUnwritable("The process takes no more input");
    }
    this.#queuedBytes += bytes.length;
    try {
      await this.#stdin.write(bytes);
    } catch {
      throw new ProcessUnwritable("The process has closed its input");
    } finally {
      this.#queuedBytes -= bytes.length;
    }
  }

  /** Ends it and everything that it started: closed input, then SIGTERM, then SIGKILL. */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  /** Ends it at once. */
  kill(): void {
    this.#signal("SIGKILL");
  }

  async #stop(): Promise<void> {
    // The writer may wait for a process that does not read: closing must not wait with it.
    this.#stdin.close().catch(() => {});
    if (!await settledWithin(CLOSE_GRACE_MS, this.ended)) {
      this.#signal("SIGTERM");
      if (!await settledWithin(TERM_GRACE_MS, this.ended)) this.#signal("SIGKILL");
    }
    await this.ended;
  }

  async #watch(readers: Promise<unknown>): Promise<ProcessEnd> {
    const status = await this.#child.status;
    this.#hasEnded = true;
    // Whatever it started and left behind, which would also keep the pipes open.
    this.#signal("SIGKILL");
    await this.#stdin.abort().catch(() => {});
    // What left the group may still hold the pipes: what it says is nobody's any more.
    const timer = setTimeout(() => {
      for (const reader of [this.#output, this.#errors]) reader.cancel().catch(() => {});
    }, PIPE_GRACE_MS);
    await readers;
    clearTimeout(timer);
    return { code: status.code, signal: status.signal ?? undefined };
  }

  async #readOutput({ maxLineBytes, onLine }: StdioProcessOptions): Promise<void> {
    const splitter = new LineSplitter(maxLineBytes);
    for await (const chunk of chunksOf(this.#output)) {
      try {
        for (const line of splitter.push(chunk)) onLine(line);
      } catch (error) {
        if (!(error instanceof EndlessLine)) throw error;
        this.#signal("SIGKILL");
        return;
      }
    }
  }

  #signal(signal: Deno.Signal): void {
    try {
      Deno.kill(-this.#child.pid, signal);
    } catch {
      // The group is gone already.
    }
  }
}

/** What is put before the command so that the kernel ends it with us. BusyBox's setpriv cannot do that. */
async function deathSignal(): Promise<readonly string[]> {
  if (Deno.build.os !== "linux") return [];
  for (const path of SETPRIV_PATHS) {
    const real = await Deno.realPath(path).catch(() => undefined);
    if (real?.endsWith("/setpriv")) return [path, "--pdeathsig", "KILL", "--"];
  }
  return [];
}

async function* chunksOf(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function readErrors(
  stream: ReadableStreamDefaultReader<Uint8Array>,
  onLine: (line: string) => void,
): Promise<void> {
  const splitter = new LineSplitter(MAX_STDERR_LINE);
  const rate = new LineRate(STDERR_LINES_PER_SECOND);
  for await (const chunk of chunksOf(stream)) {
    for (const line of linesOf(splitter, chunk)) {
      const leftOut = rate.take();
      if (leftOut === undefined) continue;
      onLine(leftOut === 0 ? line : `${line} (${leftOut} lines left out before)`);
    }
  }
}

function linesOf(splitter: LineSplitter, chunk: Uint8Array): string[] {
  try {
    return splitter.push(chunk).map((line) => {
      if (line.kind === "line") return line.text;
      return line.kind === "too_long" ? `${line.head}…` : "(not UTF-8)";
    });
  } catch {
    return [];
  }
}

/** At most so many lines in any second. */
class LineRate {
  readonly #perSecond: number;
  #secondMs = 0;
  #count = 0;
  #leftOut = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** How many lines were left out before this one, `undefined` when this one is left out too. */
  take(): number | undefined {
    const nowMs = performance.now();
    if (nowMs - this.#secondMs >= 1_000) {
      this.#secondMs = nowMs;
      this.#count = 0;
    }
    if (++this.#count > this.#perSecond) {
      this.#leftOut++;
      return undefined;
    }
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut;
  }
}
