/**
 * Carries confirmed erasures through. They look at a chain in steps, each a transaction that counts what went with it, so
 * that a chain of any length can be erased from, and a process that dies half-way leaves the rest to the next one. The step
 * that ends an erasure records `audit.erased` in its own transaction: the chain says it once, and when it is so.
 */
import type { AuditEntry } from "../core/audit_entry.ts";
import type { JsonObject } from "../core/json.ts";
import { OPERATOR_ROLES } from "../core/operator.ts";
import type { Tx } from "../core/tx.ts";
import { adminEvent } from "./admin_event.ts";
import type { EventSource } from "./event.ts";
import { canonicalEvent } from "./shorten.ts";

/** Codes of the two events. */
export const ERASE_CONFIRMED = "audit.erase_confirmed";
export const ERASED = "audit.erased";

/** One step: how far the erasure is, and how many salts and texts went in all. */
export interface ErasureStep {
  readonly actionId: string;
  readonly chain: string;
  /** What was asked for. */
  readonly details: JsonObject;
  readonly confirmedBy: string;
  /** `confirmerOf` whoever confirmed it. */
  readonly confirmer: JsonObject;
  /** Number of the last event that was looked at, and of the last that will be: it ends when both are the same. */
  readonly seq: number;
  readonly last: number;
  readonly salts: number;
  readonly values: number;
}

/** What is read and changed; `store/audit_erasures.ts` fits. */
export interface ErasureStore {
  /** Ids of erasures that were begun and have not ended. */
  unfinished(): Promise<readonly string[]>;
  /** Looks at up to `most` more events; `undefined` when it has ended, or another process is at it. */
  step(tx: Tx, actionId: string, most: number): Promise<ErasureStep | undefined>;
  transact<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  appendIn(tx: Tx, entries: readonly AuditEntry[]): Promise<unknown>;
}

/** What an event needs besides what it is about. */
export interface ErasedEventContext {
  readonly source: EventSource;
  readonly settingsVersion: () => number;
  readonly newId: () => string;
  readonly nowMs: () => number;
}

export interface ErasuresOptions extends ErasedEventContext {
  readonly store: ErasureStore;
  /** A clock that never steps, milliseconds. */
  readonly steadyMs: () => number;
  readonly onError: (actionId: string, error: unknown) => void;
  readonly intervalMs?: number;
}

/** Goes on with what was begun, by this process or one that ended. */
export interface Erasures {
  /** Begins with a round now. */
  start(): void;
  /** Begins a round now, which nobody waits for. */
  wake(): void;
  /** One round: all that was begun, until it has ended or another process is at it. */
  goOn(): Promise<void>;
  close(): Promise<void>;
}

/** Events that the first step in a process looks at; more or fewer from then on, as long as they take. */
const FIRST_STEP = 1_000;
const LONGEST_STEP = 20_000;
const SHORTEST_STEP = 50;
/** Steps are made to take about so long: appends to the embedded database wait meanwhile. */
const STEP_MS = 100;
const INTERVAL_MS = 15_000;

/** What the last event of an erasure says of whoever confirmed it, also when another process writes it. */
export function confirmerOf(role: string, sourceIp: string): JsonObject {
  return { role, source_ip: sourceIp };
}

/** Whether nothing is left to look at. */
export function hasEnded({ seq, last }: Pick<ErasureStep, "seq" | "last">): boolean {
  return seq === last;
}

/** `audit.erased`, when a step has ended an erasure. */
export function erasedEntry(context: ErasedEventContext, step: ErasureStep): AuditEntry {
  const eventId = context.newId();
  const { actionId, chain, details, last, salts, values, confirmer } = step;
  const event = adminEvent(context.source, {
    ...{ eventId, timeMs: context.nowMs(), settingsVersion: context.settingsVersion() },
    ...{ tenant: chain, code: ERASED, activity: 4 },
    operator: {
      ...{ id: step.confirmedBy, how: "token", tenants: [chain] },
      role: OPERATOR_ROLES.find((role) => role === confirmer.role) ?? "admin",
    },
    sourceIp: typeof confirmer.source_ip === "string" ? confirmer.source_ip : "",
    entity: {
      ...{ type: "audit_values", uid: chain },
      data: { ...details, request: actionId, last, salts, values },
    },
  });
  return { chain, eventId, canonical: canonicalEvent(event), conditions: [] };
}

/** Nothing runs until it is started or woken. */
export function createErasures(options: ErasuresOptions): Erasures {
  return new Rounds(options);
}

class Rounds implements Erasures {
  readonly #options: ErasuresOptions;
  #most = FIRST_STEP;
  #tookMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #round: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: ErasuresOptions) {
    this.#options = options;
  }

  start(): void {
    void this.goOn().finally(() => {
      if (this.#isClosed) return;
      this.#timer = setTimeout(() => this.start(), this.#options.intervalMs ?? INTERVAL_MS);
    });
  }

  wake(): void {
    void this.goOn();
  }

  async goOn(): Promise<void> {
    this.#round ??= this.#goOn().finally(() => void (this.#round = undefined));
    await this.#round;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  async #goOn(): Promise<void> {
    let begun: readonly string[] = [];
    try {
      begun = await this.#options.store.unfinished();
    } catch (error) {
      this.#options.onError("*", error);
    }
    for (const actionId of begun) {
      try {
        while (!this.#isClosed && await this.#step(actionId)) await this.#rest();
      } catch (error) {
        this.#most = Math.max(SHORTEST_STEP, Math.floor(this.#most / 2)); // it may have taken too long
        this.#options.onError(actionId, error); // the next round goes on where the last step ended
      }
    }
  }

  /** Whether more is to be done here. */
  async #step(actionId: string): Promise<boolean> {
    const { store, steadyMs } = this.#options;
    const [startedMs, most] = [steadyMs(), this.#most];
    const step = await store.transact(async (tx) => {
      const step = await store.step(tx, actionId, most);
      if (step !== undefined && hasEnded(step)) {
        await store.appendIn(tx, [erasedEntry(this.#options, step)]);
      }
      return step;
    });
    this.#tookMs = steadyMs() - startedMs;
    const wanted = Math.floor(most * STEP_MS / Math.max(1, this.#tookMs));
    this.#most = Math.min(LONGEST_STEP, most * 2, Math.max(SHORTEST_STEP, wanted));
    return step !== undefined && !hasEnded(step);
  }

  /** As long as the step took: half of the time is for others. */
  async #rest(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, Math.min(this.#tookMs, 1_000)));
  }
}
