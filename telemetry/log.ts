/** JSON log lines, gathered and written in one go: a line costs a microsecond on the path of a call. */
import type { JsonObject } from "../core/json.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
const ORDER: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export interface Log {
  (level: LogLevel, message: string, fields?: JsonObject): void;
}

export interface BufferedLog {
  readonly log: Log;
  flush(): void;
  close(): void;
}

export interface LogOptions {
  /** May throw: lines that cannot be written are lost, the process goes on. */
  readonly write: (text: string) => void;
  readonly nowMs: () => number;
  readonly level?: LogLevel;
  readonly flushMs?: number;
  readonly maxBytes?: number;
  /** Lines with the same message in one second; what is beyond is counted and said once. */
  readonly maxPerSecond?: number;
}

/** Makes a log that writes at the latest after `flushMs`, at `maxBytes`, and at once for errors. */
export function createLog(options: LogOptions): BufferedLog {
  const { write, nowMs, level = "info", flushMs = 50, maxBytes = 16_384 } = options;
  const least = ORDER.indexOf(level);
  let buffer = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (buffer === "") return;
    const text = buffer;
    buffer = "";
    try {
      write(text);
    } catch {
      // A closed or full standard error must not end calls; there is nowhere left to say it.
    }
  };
  const add = (at: LogLevel, message: string, fields?: JsonObject) => {
    buffer += `${JSON.stringify({ time: new Date(nowMs()).toISOString(), level: at, message, ...fields })}\n`;
  };
  const flood = createFloodGate(options, (message, left_out) => {
    add("warn", "Log lines were left out", { of: message, left_out });
    timer ??= setTimeout(flush, flushMs);
  });
  const log: Log = (at, message, fields) => {
    if (ORDER.indexOf(at) < least || !flood.admits(message)) return;
    add(at, message, fields);
    if (at === "error" || buffer.length >= maxBytes) flush();
    else timer ??= setTimeout(flush, flushMs);
  };
  const close = () => {
    flood.close();
    flush();
  };
  return { log, flush, close };
}

/** Counts lines by message in windows of one second; messages are constants of the program, so there are few. */
function createFloodGate(
  { nowMs, maxPerSecond = 100 }: LogOptions,
  report: (message: string, leftOut: number) => void,
) {
  const seen = new Map<string, number>();
  let windowEndsMs = -Infinity;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const endWindow = () => {
    clearTimeout(timer);
    timer = undefined;
    for (const [message, count] of seen) {
      if (count > maxPerSecond) report(message, count - maxPerSecond);
    }
    seen.clear();
  };
  return {
    admits: (message: string): boolean => {
      if (nowMs() >= windowEndsMs) {
        endWindow();
        windowEndsMs = nowMs() + 1_000;
      }
      const count = (seen.get(message) ?? 0) + 1;
      seen.set(message, count);
      if (count <= maxPerSecond) return true;
      timer ??= setTimeout(endWindow, Math.max(1, windowEndsMs - nowMs()));
      return false;
    },
    close: endWindow,
  };
}

/** What an error says to an operator: its message and the messages of its causes, never a stack of secrets. */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  for (let cause = error; cause instanceof Error && parts.length < 5; cause = cause.cause) {
    parts.push(cause.message);
  }
  return parts.length > 0 ? parts.join(": ") : String(error);
}
