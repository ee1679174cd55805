/**
 * Deadlines of calls on one shared timer: a native timer per call costs more than a check does. A deadline is noticed at
 * most `tickMs` late.
 */
export interface Deadlines {
  /** Settles as `work` does, or rejects with `late()` when the deadline passes first. */
  race<T>(work: Promise<T>, deadlineMs: number, late: () => unknown): Promise<T>;
}

export interface DeadlinesOptions {
  readonly nowMs: () => number;
  readonly tickMs?: number;
}

interface Waiting {
  /** By the steady clock: a wall clock that is set back while somebody waits must not make the wait longer. */
  readonly dueMs: number;
  readonly expire: () => void;
}

/** The timer runs only while somebody waits. */
export function createDeadlines({ nowMs, tickMs = 10 }: DeadlinesOptions): Deadlines {
  const waiting = new Set<Waiting>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const tick = () => {
    const now = performance.now();
    for (const entry of waiting) {
      if (entry.dueMs > now) continue;
      waiting.delete(entry);
      entry.expire();
    }
    timer = waiting.size > 0 ? setTimeout(tick, tickMs) : undefined;
  };
  const leave = (entry: Waiting) => {
    waiting.delete(entry);
    if (waiting.size > 0) return;
    clearTimeout(timer);
    timer = undefined;
  };
  return {
    race: <T>(work: Promise<T>, deadlineMs: number, late: () => unknown): Promise<T> =>
      new Promise<T>((resolve, reject) => {
        const dueMs = performance.now() + deadlineMs - nowMs();
        const entry: Waiting = { dueMs, expire: () => reject(late()) };
        waiting.add(entry);
        timer ??= setTimeout(tick, tickMs);
        work.then(
          (value) => {
            leave(entry);
            resolve(value);
          },
          (error) => {
            leave(entry);
            reject(error);
          },
        );
      }),
  };
}
