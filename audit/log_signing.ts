/** Keeps the checkpoints of all chains up to date while the process runs, and proves silence with heartbeats. */
import type { AuditEntry } from "../core/audit_entry.ts";
import { isOfLog, originOf } from "./checkpoint.ts";
import { eventMetadata, eventProvenance, type EventSource } from "./event.ts";
import {
  type LogSignerOptions,
  signChain,
  type SignDoubt,
  type SignRefusal,
  type SignResult,
  type StoredCheckpoint,
} from "./log_signer.ts";
import { canonicalEvent } from "./shorten.ts";

export interface LogSigningOptions {
  readonly signer: LogSignerOptions;
  readonly source: EventSource;
  /** How often new events get a checkpoint, and after how long without any event a heartbeat is recorded. */
  readonly intervalMs: number;
  readonly heartbeatMs: number;
  readonly nowMs: () => number;
  readonly newId: () => string;
  readonly settingsVersion: () => number;
  append(entry: AuditEntry): Promise<unknown>;
  /** Told of every new checkpoint: witnesses and other places outside get it from here. */
  readonly onSigned: (signed: Extract<SignResult, { kind: "signed" }> & { readonly chain: string }) => void;
  readonly onRefused: (refusal: SignRefusal) => void;
  /** Told once in the life of this process of each chain that was signed although something could not be told. */
  readonly onDoubted: (doubt: SignDoubt, chains: readonly string[]) => void;
  readonly onError: (chain: string, error: unknown) => void;
}

export interface LogSigning {
  start(): void;
  /** Signs one chain now, for whoever needs a checkpoint that covers its newest events. */
  signNow(chain: string): Promise<SignResult>;
  /** Chains whose signature is refused at present. */
  refusals(): readonly SignRefusal[];
  close(): Promise<void>;
}

export function createLogSigning(options: LogSigningOptions): LogSigning {
  return new Signing(options);
}

/** What became of a chain, and the checkpoint that it had before. */
interface Signed {
  readonly result: SignResult;
  readonly last: StoredCheckpoint | undefined;
}

class Signing implements LogSigning {
  readonly #options: LogSigningOptions;
  readonly #refusals = new Map<string, SignRefusal>();
  /** Doubts that were told, and those that the end of the round tells. */
  readonly #doubted: Record<SignDoubt, Set<string>> = {
    ...{ second_place_empty: new Set(), checkpoints_missing: new Set() },
  };
  readonly #newDoubts: Record<SignDoubt, string[]> = { second_place_empty: [], checkpoints_missing: [] };
  /** The chains of the first round. */
  #atStart: ReadonlySet<string> | undefined;
  /** One at a time per chain: two would do the same work. */
  readonly #running = new Map<string, Promise<Signed>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #round: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: LogSigningOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#round = this.#signAll().finally(() => this.#isClosed || this.start());
    }, this.#options.intervalMs);
  }

  async signNow(chain: string): Promise<SignResult> {
    await this.#running.get(chain)?.catch(() => {}); // it may have begun before the newest events; told to who began it
    return (await this.#signOnce(chain)).result;
  }

  refusals(): readonly SignRefusal[] {
    return [...this.#refusals.values()];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  async #signAll(): Promise<void> {
    let chains: readonly string[] = [];
    try {
      chains = await this.#options.signer.store.chains();
      this.#atStart ??= new Set(chains);
    } catch (error) {
      this.#options.onError("*", error);
    }
    for (const chain of chains) {
      if (this.#isClosed) return;
      try {
        const { result, last } = await this.#signOnce(chain);
        if (result.kind === "unchanged" && result.size === last?.size) await this.#beat(chain, last);
      } catch (error) {
        this.#options.onError(chain, error);
      }
    }
    this.#tellDoubts();
  }

  /**
   * Together: a replica with a new data folder has the first of them for every chain. It has it too for a chain that was made
   * later and that another replica signed first, and there it says nothing.
   */
  #tellDoubts(): void {
    const atStart = this.#atStart;
    if (atStart === undefined) return;
    for (const doubt of ["second_place_empty", "checkpoints_missing"] as const) {
      const doubted = this.#newDoubts[doubt].splice(0);
      const chains = doubted.filter((chain) => doubt !== "second_place_empty" || atStart.has(chain));
      if (chains.length > 0) this.#options.onDoubted(doubt, chains);
    }
  }

  #noteDoubt(chain: string, doubt: SignDoubt | undefined): void {
    if (doubt === undefined || this.#doubted[doubt].has(chain)) return;
    this.#doubted[doubt].add(chain);
    this.#newDoubts[doubt].push(chain);
  }

  #signOnce(chain: string): Promise<Signed> {
    let running = this.#running.get(chain);
    if (running === undefined) {
      running = this.#sign(chain).finally(() => this.#running.delete(chain));
      this.#running.set(chain, running);
    }
    return running;
  }

  async #sign(chain: string): Promise<Signed> {
    const { signer } = this.#options;
    const last = await signer.store.latestCheckpoint(chain);
    const result = await signChain(signer, chain, last);
    if (result.kind === "refused") {
      const known = this.#refusals.get(chain);
      this.#refusals.set(chain, result.refusal);
      if (known?.code !== result.refusal.code) this.#options.onRefused(result.refusal);
      return { result, last };
    }
    this.#refusals.delete(chain);
    this.#noteDoubt(chain, result.doubt);
    if (result.kind === "signed") this.#options.onSigned({ ...result, chain });
    return { result, last };
  }

  /**
   * An event of the gateway's own after a long silence, so that silence is part of the record; at once where the last checkpoint
   * is one of the name that the log had before, so that it gets one of its own.
   */
  async #beat(chain: string, last: StoredCheckpoint): Promise<void> {
    const { nowMs, heartbeatMs, signer: { logOrigin } } = this.#options;
    const isRenamed = !isOfLog(last.note, originOf(logOrigin, chain));
    if (!isRenamed && nowMs() - last.signedAt * 1000 < heartbeatMs) return;
    await this.#options.append(heartbeat(this.#options, chain));
  }
}

/** OCSF 1.8.0 Application Lifecycle (class 6002), https://schema.ocsf.io/1.8.0/classes/application_lifecycle. */
function heartbeat({ source, newId, nowMs, settingsVersion }: LogSigningOptions, chain: string): AuditEntry {
  const eventId = newId();
  const metadata = eventMetadata(source, { id: eventId, tenant: chain, code: "log.heartbeat", profiles: [] });
  const event = {
    ...{ activity_id: 99, activity_name: "Heartbeat", category_uid: 6, class_uid: 6002, type_uid: 600299 },
    ...{ severity_id: 1, time: nowMs(), message: "Nothing else happened", metadata },
    app: { name: "IntentGate", vendor_name: "IntentGate", version: source.version },
    unmapped: eventProvenance(source, settingsVersion()),
  };
  return { chain, eventId, canonical: canonicalEvent(event), conditions: [] };
}
