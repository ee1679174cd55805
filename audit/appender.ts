/**
 * Group commit of audit events: whoever appends while a batch is under way rides in the next one. No timer: a batch
 * leaves as soon as one of the two places is free. Chains take turns, so that a tenant with many events does not make
 * another one's wait for more than a batch.
 */
import type { AppendResult, AuditEntry } from "../core/audit_entry.ts";
import { GatewayError } from "../core/errors.ts";
import { FairQueue, type Queued } from "./fair_queue.ts";

/** The append function of the store; one statement, durable when it resolves. */
export type AppendBatch = (entries: readonly AuditEntry[]) => Promise<readonly AppendResult[]>;

export interface AppenderOptions {
  readonly append: AppendBatch;
  /** Largest batch, and how many may be under way at once. */
  readonly maxBatch?: number;
  readonly maxBatchBytes?: number;
  readonly maxInFlight?: number;
  /** Events that may wait, and their bytes; beyond it an append fails at once instead of growing without bound. */
  readonly maxQueue?: number;
  readonly maxQueueBytes?: number;
  readonly onBatch?: (size: number, seconds: number) => void;
  /**
   * Whether the database refused the statement itself, so that nothing of it was done and the same would be refused
   * again: then one event may be the reason, and the others are appended without it.
   */
  readonly isRefusal?: (error: unknown) => boolean;
}

/** An append under way. */
export interface PendingAppend {
  readonly done: Promise<AppendResult>;
  /** Takes the event back if it has not been sent; true means it will never be in the chain. */
  cancel(): boolean;
}

export interface Appender {
  /** `owed`: the event follows from one that was recorded and must not be refused for lack of room. */
  append(entry: AuditEntry, how?: { readonly owed: boolean }): PendingAppend;
  /** Events that wait to be sent. */
  queued(): number;
  /** Resolves when nothing waits and nothing is under way. */
  idle(): Promise<void>;
}

interface Waiting extends Queued {
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Statements that one refused batch may cost: enough to find a few bad events among many. */
const MAX_STATEMENTS = 64;

export function createAppender(options: AppenderOptions): Appender {
  const { maxBatch = 256, maxInFlight = 2, maxQueue = 20_000 } = options;
  const { maxBatchBytes = 4_194_304, maxQueueBytes = 67_108_864 } = options;
  const queue = new FairQueue<Waiting>({ maxBatch, maxBatchBytes, maxQueue, maxQueueBytes });
  let inFlight = 0;
  let isPumpDue = false;
  let wakeIdle: (() => void)[] = [];

  const pump = () => {
    isPumpDue = false;
    while (inFlight < maxInFlight && queue.length > 0) {
      inFlight++;
      sendBatch(options, queue.take(), { statements: MAX_STATEMENTS }).finally(() => {
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
  const enqueue: Appender["append"] = (entry, how) => {
    const { promise, resolve, reject } = Promise.withResolvers<AppendResult>();
    const waiting: Waiting = { entry, size: sizeOf(entry), resolve, reject };
    if (!queue.push(waiting, how?.owed === true)) {
      reject(lost(`${queue.length} events already wait, at most ${maxQueue} may, of this chain fewer`));
    } else if (!isPumpDue && inFlight < maxInFlight) {
      isPumpDue = true;
      queueMicrotask(pump);
    }
    return { done: promise, cancel: () => queue.remove(waiting) };
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

/** Appends a batch and tells everybody in it; never rejects. A refused one is halved until what is bad stands alone. */
async function sendBatch(
  options: AppenderOptions,
  batch: readonly Waiting[],
  left: { statements: number },
): Promise<void> {
  const fail = (error: GatewayError) => batch.forEach((waiting) => waiting.reject(error));
  if (left.statements === 0) return fail(lost("the database refused too many events that came with it"));
  const started = performance.now();
  left.statements--;
  try {
    const results = await options.append(batch.map((waiting) => waiting.entry));
    batch.forEach((waiting, index) => {
      const result = results[index];
      if (result === undefined) waiting.reject(lost("the database returned fewer results than events"));
      else waiting.resolve(result);
    });
    options.onBatch?.(batch.length, (performance.now() - started) / 1000);
  } catch (cause) {
    if (batch.length === 1 || options.isRefusal?.(cause) !== true) {
      return fail(lost("the append failed", cause));
    }
    const middle = batch.length >> 1; // one after the other: a chain keeps its order
    await sendBatch(options, batch.slice(0, middle), left);
    await sendBatch(options, batch.slice(middle), left);
  }
}

/** About how many bytes an entry takes, with what stands beside it. */
function sizeOf({ canonical, values }: AuditEntry): number {
  if (values === undefined) return canonical.length;
  return Object.values(values).reduce((size, value) => size + value.length, canonical.length);
}

function lost(detail: string, cause?: unknown): GatewayError {
  return new GatewayError("audit_unavailable", `Cannot record the event: ${detail}`, { cause });
}
