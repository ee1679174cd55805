/** Verifies all chains on a timer while the process runs: what is new each time, everything now and then. */
import { isOfLog } from "./checkpoint.ts";
import { parseVerifierKey } from "./signed_note.ts";
import type { HeldElsewhere } from "./signed_points.ts";
import { type ChainReader, verifyChain, type VerifyReport } from "./verify.ts";

export interface BackgroundVerifyOptions {
  readonly reader: ChainReader;
  readonly logId: string;
  readonly originOf: (chain: string) => string;
  /** Verifier keys of a log, as lines. */
  readonly verifierKeys: (origin: string) => readonly string[];
  /** Chains that there must be. */
  readonly chains: () => Promise<readonly string[]>;
  /** What is kept of a chain besides the database. */
  readonly heldElsewhere: (chain: string) => Promise<HeldElsewhere>;
  /** Signs a chain that has no checkpoint under its log's name yet. */
  readonly sign: (chain: string) => Promise<unknown>;
  readonly intervalMs: number;
  readonly nowMs: () => number;
  /** Told of every chain that is not what it claims, each time. */
  readonly onBroken: (report: VerifyReport) => void;
  readonly onError: (chain: string, error: unknown) => void;
}

export interface BackgroundVerify {
  start(): void;
  /** One round now. */
  verifyAll(): Promise<void>;
  /** When the last round ended in which every chain was verified, epoch seconds; 0 before the first. */
  lastOkAt(): number;
  /** Chains that the last round found broken. */
  broken(): number;
  close(): Promise<void>;
}

/** After a start, so that a gateway that restarts often verifies too. */
const FIRST_AFTER_MS = 10 * 60_000;
/** Every so many rounds from the first event on. */
const WHOLE_EVERY = 28;
/** Small pages with a pause between them, about 7,000 events a second: calls must not notice. */
const PACE = { pageEvents: 200, pauseMs: 20 } as const;

/** Nothing runs until it is started. */
export function createBackgroundVerify(options: BackgroundVerifyOptions): BackgroundVerify {
  return new Rounds(options);
}

class Rounds implements BackgroundVerify {
  readonly #options: BackgroundVerifyOptions;
  /** The last verified checkpoint of every chain. */
  readonly #verified = new Map<string, string>();
  readonly #aborter = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #round: Promise<void> = Promise.resolve();
  #rounds = 0;
  #lastOkAt = 0;
  #broken = 0;

  constructor(options: BackgroundVerifyOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule(Math.min(this.#options.intervalMs, FIRST_AFTER_MS));
  }

  lastOkAt(): number {
    return this.#lastOkAt;
  }

  broken(): number {
    return this.#broken;
  }

  async close(): Promise<void> {
    this.#aborter.abort();
    clearTimeout(this.#timer);
    await this.#round;
  }

  async verifyAll(): Promise<void> {
    let chains: readonly string[];
    try {
      chains = await this.#options.chains();
    } catch (error) {
      return this.#options.onError("*", error);
    }
    if (this.#rounds++ % WHOLE_EVERY === 0) this.#verified.clear();
    let [broken, failed] = [0, 0];
    for (const chain of chains) {
      if (this.#aborter.signal.aborted) return;
      try {
        if (await this.#verify(chain) === "broken") broken++;
      } catch (error) {
        if (this.#aborter.signal.aborted) return;
        failed++;
        this.#options.onError(chain, error);
      }
    }
    this.#broken = broken;
    if (broken + failed === 0 && !this.#aborter.signal.aborted) this.#lastOkAt = this.#options.nowMs() / 1000;
  }

  #schedule(afterMs: number): void {
    this.#timer = setTimeout(() => {
      this.#round = this.verifyAll().finally(() => {
        if (!this.#aborter.signal.aborted) this.#schedule(this.#options.intervalMs);
      });
    }, afterMs);
  }

  /** Throws when nothing can be said. */
  async #verify(chain: string): Promise<"verified" | "broken"> {
    const { reader, logId, originOf, verifierKeys, nowMs, onBroken } = this.#options;
    const origin = originOf(chain);
    // A chain that is younger than the first round of signing, or whose log has a new name, has nothing that proves it.
    const last = await reader.latestCheckpoint(chain);
    if (last === undefined || !isOfLog(last.note, origin)) await this.#options.sign(chain);
    const report = await verifyChain(reader, {
      ...{ chain, logId, origin, since: this.#verified.get(chain), pace: PACE, nowMs },
      ...{ keys: verifierKeys(origin).map(parseVerifierKey), signal: this.#aborter.signal },
      held: () => this.#options.heldElsewhere(chain),
    });
    if (report.verifiedTo !== undefined) this.#verified.set(chain, report.verifiedTo.note);
    if (report.verdict === "verified") return "verified";
    if (report.verdict === "unproven") throw new Error(`Nothing can be said: ${report.reason ?? ""}`);
    this.#verified.delete(chain);
    onBroken(report);
    return "broken";
  }
}
