/** `intentgate serve`: the composition root. Starts the parts in order, serves until told to stop, drains. */
import { isStrayRejection } from "../store/stray_rejection.ts";
import { createLog, errorText, type Log, type LogLevel } from "../telemetry/log.ts";
import { type ExitCode, type Terminal, UsageError } from "./command.ts";
import { type RunningProcess, startProcess } from "./process.ts";
import { Undo } from "./undo.ts";
import { printWelcome } from "./welcome.ts";

/** Runs the gateway until a signal stops it; throws when it cannot start. */
export async function runGateway(
  terminal: Terminal,
  options: { readonly quiet: boolean },
): Promise<ExitCode> {
  const { log, close } = createLog({
    write: writeToStderr,
    nowMs: () => Date.now(),
    level: logLevel(terminal.env.INTENTGATE_LOG_LEVEL),
  });
  const undo = new Undo();
  undo.add(close);
  undo.add(outliveStrayRejections(log));
  const onStopError = (error: unknown) => log("error", "Cannot stop a part", { error: errorText(error) });
  try {
    const running = await startProcess(terminal, log, undo);
    if (!options.quiet) printWelcome(terminal, running);
    await stopOnSignal(running, undo, onStopError);
    return 0;
  } catch (error) {
    await undo.run(onStopError);
    throw error;
  }
}

/** A rejection of the database driver's own must not end the process; any other one that nobody waits for is a bug and does. */
function outliveStrayRejections(log: Log): () => void {
  const onRejection = (event: PromiseRejectionEvent) => {
    if (!isStrayRejection(event.reason)) return;
    event.preventDefault();
    log("warn", "A database connection broke while it was opened", { error: errorText(event.reason) });
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  return () => globalThis.removeEventListener("unhandledrejection", onRejection);
}

/** How long everything but the calls in flight may take to stop. */
const STOP_GRACE_MS = 15_000;

async function stopOnSignal(
  running: RunningProcess,
  undo: Undo,
  onStopError: (error: unknown) => void,
): Promise<void> {
  const { log } = running;
  const signal = await untilSignal();
  log("info", "Draining", { signal });
  const guard = setTimeout(() => {
    log("error", "A part did not stop in time: ending the process");
    Deno.exit(1);
  }, running.drainTimeoutMs + STOP_GRACE_MS);
  await running.drain();
  log("info", "Drained", { signal });
  await undo.run(onStopError);
  clearTimeout(guard);
}

/** Resolves with the first signal that asks the process to stop; a second one ends it at once. */
function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      Deno.addSignalListener(signal, () => {
        if (asked) Deno.exit(1);
        asked = true;
        resolve(signal);
      });
    }
  });
}

function logLevel(value: string | undefined): LogLevel {
  if (value === undefined) return "info";
  if (value === "debug" || value === "info" || value === "warn" || value === "error") return value;
  throw new UsageError(`INTENTGATE_LOG_LEVEL expects debug, info, warn or error, found "${value}"`);
}

/** Logs go to standard error, so that standard output carries only what was asked for. */
function writeToStderr(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) written += Deno.stderr.writeSync(bytes.subarray(written));
}
