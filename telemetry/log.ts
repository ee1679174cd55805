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
  readonly write: (text: string) => void;
  readonly nowMs: () => number;
  readonly level?: LogLevel;
  readonly flushMs?: number;
  readonly maxBytes?: number;
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
    write(text);
  };
  const log: Log = (at, message, fields) => {
    if (ORDER.indexOf(at) < least) return;
    buffer += `${JSON.stringify({ time: new Date(nowMs()).toISOString(), level: at, message, ...fields })}\n`;
    if (at === "error" || buffer.length >= maxBytes) flush();
    else timer ??= setTimeout(flush, flushMs);
  };
  return { log, flush, close: flush };
}

/** What an error says to an operator: its message and the messages of its causes, never a stack of secrets. */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  for (let cause = error; cause instanceof Error && parts.length < 5; cause = cause.cause) {
    parts.push(cause.message);
  }
  return parts.length > 0 ? parts.join(": ") : String(error);
}
