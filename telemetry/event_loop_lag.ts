/** Measures how late timers run: everything that a process does waits as long when its one thread is busy. */

export interface EventLoopLagOptions {
  readonly nowMs: () => number;
  readonly observe: (seconds: number) => void;
  readonly intervalMs?: number;
}

/** Observes the lag ten times a second until it is closed. */
export function watchEventLoopLag(options: EventLoopLagOptions): { close(): void } {
  const { nowMs, observe, intervalMs = 100 } = options;
  let timer: ReturnType<typeof setTimeout>;
  const arm = () => {
    const dueMs = nowMs() + intervalMs;
    timer = setTimeout(() => {
      observe(Math.max(0, nowMs() - dueMs) / 1000);
      arm();
    }, intervalMs);
  };
  arm();
  return { close: () => clearTimeout(timer) };
}
