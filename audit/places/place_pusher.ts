/** Brings every chain's newest checkpoint to one place, in the background, and again until it is there. */
import type { StoredCheckpoint } from "../log_signer.ts";
import { backOffMs } from "./back_off.ts";
import {
  type CheckpointPlace,
  type PlaceConflict,
  type PlacedCheckpoint,
  PlaceError,
  type PushResult,
} from "./place.ts";

/** A chain that this replica alone pushes now. */
export interface PushClaim {
  readonly chain: string;
  readonly heldSize: number | undefined;
  readonly failures: number;
}

/** What was pushed where; `store/checkpoint_places.ts` and `store/audit_tree.ts` fit. */
export interface PushStore {
  /** The database's clock, epoch seconds. */
  now(): Promise<number>;
  claim(order: {
    readonly place: string;
    readonly replicaId: string;
    readonly logOrigin: string;
    readonly intervalSeconds: number;
    readonly askSince: number;
    readonly most: number;
    readonly claimSeconds: number;
  }): Promise<readonly PushClaim[]>;
  taken(place: string, chain: string, size: number): Promise<void>;
  failed(place: string, chain: string, failure: {
    readonly replicaId: string;
    readonly error: string;
    readonly retrySeconds: number;
    readonly conflict?: PlaceConflict;
  }): Promise<void>;
  latestCheckpoint(chain: string): Promise<StoredCheckpoint | undefined>;
  addCosignature(chain: string, size: number, witness: string, line: string): Promise<void>;
}

/** What became of one push. */
export type PushOutcome =
  | { readonly kind: "taken"; readonly chain: string; readonly size: number; readonly failuresBefore: number }
  | { readonly kind: "failed"; readonly chain: string; readonly error: string; readonly failures: number }
  | ({ readonly kind: "conflict"; readonly chain: string; readonly isNew: boolean } & PlaceConflict);

export interface PlacePusherOptions {
  readonly place: CheckpointPlace;
  readonly store: PushStore;
  readonly replicaId: string;
  readonly logOrigin: string;
  readonly random: () => number;
  readonly onOutcome: (outcome: PushOutcome) => void;
  /** The database did not answer; tried again. */
  readonly onError: (error: unknown) => void;
}

export interface PlacePusher {
  start(): void;
  /** Something was signed: no need to wait for the next look. */
  wake(): void;
  close(): Promise<void>;
}

const PUSHES_AT_ONCE = 4;
/** All requests of a push together. */
const PUSH_MS = 120_000;
/** More than one push can take. */
const CLAIM_SECONDS = 150;
/** Other replicas sign too, and none tells us. */
const LOOK_MS = 5_000;

/** Nothing runs until it is started. */
export function createPlacePusher(options: PlacePusherOptions): PlacePusher {
  return new Pusher(options);
}

class Pusher implements PlacePusher {
  readonly #options: PlacePusherOptions;
  readonly #aborter = new AbortController();
  readonly #conflicts = new Map<string, string>();
  /** Everything is asked for once after this time: what a restored database remembers is too little. */
  #askSince: number | undefined;
  /** Rounds in a row in which the place or the database was down. */
  #downRounds = 0;
  #wakeUp: (() => void) | undefined;
  /** Woken while it was not asleep: what was signed may have come after its look. */
  #isWoken = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: PlacePusherOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  wake(): void {
    this.#isWoken = true;
    this.#wakeUp?.();
  }

  async close(): Promise<void> {
    this.#aborter.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#aborter.signal.aborted) {
      const found = await this.#round();
      if (found === "down") await this.#pause(backOffMs(++this.#downRounds, this.#options.random), false);
      else this.#downRounds = 0;
      if (found === "nothing") await this.#pause(this.#lookMs(), true);
    }
  }

  /** What was signed too soon after the last push is due before anybody wakes us again. */
  #lookMs(): number {
    const { place, random } = this.#options;
    return Math.min(LOOK_MS, place.intervalSeconds * 1000) * (0.5 + random());
  }

  async #round(): Promise<"pushed" | "nothing" | "down"> {
    const { place, store, replicaId, logOrigin, onError } = this.#options;
    this.#isWoken = false;
    try {
      this.#askSince ??= await store.now();
      const claims = await store.claim({
        ...{ place: place.name, intervalSeconds: place.intervalSeconds, replicaId, logOrigin },
        ...{ askSince: this.#askSince, most: PUSHES_AT_ONCE, claimSeconds: CLAIM_SECONDS },
      });
      if (claims.length === 0) return "nothing";
      const areDown = await Promise.all(claims.map((claim) => this.#push(claim)));
      return areDown.every(Boolean) ? "down" : "pushed";
    } catch (error) {
      if (!this.#aborter.signal.aborted) onError(error);
      return "down";
    }
  }

  /** Whether the place is down. */
  async #push(claim: PushClaim): Promise<boolean> {
    const { place, store } = this.#options;
    const last = await store.latestCheckpoint(claim.chain);
    if (last === undefined) return false; // none is claimed without
    let result: PushResult;
    try {
      const signal = AbortSignal.any([this.#aborter.signal, AbortSignal.timeout(PUSH_MS)]);
      result = await place.push(placed(claim.chain, last), claim.heldSize ?? 0, signal);
    } catch (error) {
      if (!(error instanceof PlaceError)) throw error;
      await this.#failed(claim, error.message);
      return error.isDown;
    }
    if (result.kind === "conflict") await this.#conflict(claim, result);
    else await this.#taken(claim, last, result);
    return false;
  }

  async #taken(
    { chain, failures: failuresBefore }: PushClaim,
    { size }: StoredCheckpoint,
    { cosignature }: Extract<PushResult, { kind: "taken" }>,
  ): Promise<void> {
    const { place, store, onOutcome } = this.#options;
    if (cosignature !== undefined) {
      await store.addCosignature(chain, size, cosignature.witness, cosignature.line);
    }
    await store.taken(place.name, chain, size);
    this.#conflicts.delete(chain);
    onOutcome({ kind: "taken", chain, size, failuresBefore });
  }

  async #failed({ chain, failures }: PushClaim, error: string): Promise<void> {
    const { place, store, replicaId, random, onOutcome } = this.#options;
    if (this.#aborter.signal.aborted) {
      await store.failed(place.name, chain, { replicaId, error: "The gateway was stopped", retrySeconds: 0 });
      return;
    }
    const retrySeconds = backOffMs(failures + 1, random) / 1000;
    await store.failed(place.name, chain, { replicaId, error, retrySeconds });
    onOutcome({ kind: "failed", chain, error, failures: failures + 1 });
  }

  async #conflict(claim: PushClaim, { code, size }: PlaceConflict): Promise<void> {
    const { place, store, replicaId, random, onOutcome } = this.#options;
    const { chain } = claim;
    // Another replica may have signed and pushed meanwhile.
    if (code === "rolled_back" && ((await store.latestCheckpoint(chain))?.size ?? 0) >= size) {
      return await this.#failed(claim, "It has a newer checkpoint already");
    }
    const error = code === "rolled_back"
      ? `It holds ${size} events of this log, which has fewer now`
      : `It holds other events of this log, up to ${size}`;
    const retrySeconds = backOffMs(claim.failures + 1, random) / 1000;
    await store.failed(place.name, chain, { replicaId, error, retrySeconds, conflict: { code, size } });
    const isNew = this.#conflicts.get(chain) !== `${code} ${size}`;
    this.#conflicts.set(chain, `${code} ${size}`);
    onOutcome({ kind: "conflict", chain, code, size, isNew });
  }

  /** Ends early when it is closed, or woken where that is wanted. */
  async #pause(ms: number, wakes: boolean): Promise<void> {
    const { signal } = this.#aborter;
    if (signal.aborted || (wakes && this.#isWoken)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    const end = () => resolve();
    signal.addEventListener("abort", end);
    if (wakes) this.#wakeUp = end;
    await promise;
    signal.removeEventListener("abort", end);
    this.#wakeUp = undefined;
    clearTimeout(timer);
  }
}

function placed(chain: string, { size, root, note }: StoredCheckpoint): PlacedCheckpoint {
  return { chain, origin: note.slice(0, note.indexOf("\n")), size, root, note };
}
