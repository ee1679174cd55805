/**
 * Group commit of audit events: whoever appends while a batch is under way rides in the next one. No timer: a batch
 * leaves as soon as one of the two places is free.
 */
import type { AppendResult, AuditEntry } from "../core/audit_entry.ts";
import { GatewayError } from "../core/errors.ts";

/** The append function of the store; one statement, durable when it resolves. */
export type AppendBatch = (entries: readonly AuditEntry[]) => Promise<readonly AppendResult[]>;

export interface AppenderOptions {
  readonly append: AppendBatch;
  /** Largest batch, and how many may be under way at once. */
  readonly maxBatch?: number;
  readonly maxInFlight?: number;
  /** Events that may wait; beyond it an append fails at once instead of growing without bound. */
  readonly maxQueue?: number;
  readonly onBatch?: (size: number, seconds: number) => void;
}

/** An append under way. */
export interface PendingAppend {
  readonly done: Promise<AppendResult>;
  /** Takes the event back if it has not been sent; true means it will never be in the chain. */
  cancel(): boolean;
}

export interface Appender {
  append(entry: AuditEntry): PendingAppend;
  /** Events that wait to be sent. */
  queued(): number;
  /** Resolves when nothing waits and nothing is under way. */
  idle(): Promise<void>;
}

interface Waiting {
  readonly entry: AuditEntry;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

export function createAppender(options: AppenderOptions): Appender {
  const { append, maxBatch = 256, maxInFlight = 2, maxQueue = 20_000, onBatch } = options;
  let queue: Waiting[] = [];
  let inFlight = 0;
  let wakeIdle: (() => void)[] = [];

  const send = async (batch: readonly Waiting[]) => {
    const started = performance.now();
    try {
      const results = await append(batch.map((waiting) => waiting.entry));
      batch.forEach((waiting, index) => {
        const result = results[index];
        if (result === undefined) waiting.reject(lost("the database returned fewer results than events"));
        else waiting.resolve(result);
      });
      onBatch?.(batch.length, (performance.now() - started) / 1000);
    } catch (cause) {
      for (const waiting of batch) waiting.reject(lost("the append failed", cause));
    }
  };
  const pump = () => {
    while (inFlight < maxInFlight && queue.length > 0) {
      inFlight++;
      const batch = queue.length <= maxBatch ? queue : queue.slice(0, maxBatch);
      queue = queue.length <= maxBatch ? [] : queue.slice(maxBatch);
      send(batch).finally(() => {
        inFlight--;
        pump();
      });
    }
    if (inFlight === 0 && queue.length === 0) {
      const waiters = wakeIdle;
      wakeIdle = [];
      for (const wake of waiters) wake();
    }
  };
  const enqueue = (entry: AuditEntry): PendingAppend => {
    const { promise, resolve, reject } = Promise.withResolvers<AppendResult>();
    const waiting: Waiting = { entry, resolve, reject };
    if (queue.length >= maxQueue) {
      reject(lost(`${queue.length} events already wait, at most ${maxQueue} may`));
    } else if (queue.push(waiting) === 1) queueMicrotask(pump);
    return {
      done: promise,
      cancel: () => {
        const index = queue.indexOf(waiting);
        if (index >= 0) queue.splice(index, 1);
        return index >= 0;
      },
    };
  };
  return {
    append: enqueue,
    queued: () => queue.length,
    idle: () =>
      inFlight === 0 && queue.length === 0
        ? Promise.resolve()
        : new Promise((resolve) => void wakeIdle.push(resolve)),
  };
}

function lost(detail: string, cause?: unknown): GatewayError {
  return new GatewayError("audit_unavailable", `Cannot record the event: ${detail}`, { cause });
}
