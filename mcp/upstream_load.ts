/**
 * What one upstream may be asked to do at once, and whether it is there at all. Calls that wait for a tool hold no place
 * among those being decided; they hold one here.
 */
import { Places } from "../core/places.ts";

/** Why an upstream gets no more calls for now. */
export interface UpstreamRefusal {
  readonly code: "upstream_busy" | "upstream_unavailable";
  readonly reason: string;
  readonly retryAfterSeconds: number;
}

export interface UpstreamLoadsOptions {
  /** Most requests that may wait for an upstream at once, by its name. */
  readonly maxConcurrent: ReadonlyMap<string, number>;
  /** A clock that never steps, milliseconds. */
  readonly steadyMs: () => number;
  readonly onRefused?: ((code: UpstreamRefusal["code"]) => void) | undefined;
  /** Called when an upstream is given up, and when it answers again. */
  readonly onCircuit?: ((upstream: string, state: "open" | "closed") => void) | undefined;
}

export interface UpstreamLoads {
  /** Takes a place among the upstream's requests, or says why there is none. Give it back with `leave`. */
  enter(upstream: string, tenant: string): UpstreamRefusal | undefined;
  leave(upstream: string, tenant: string): void;
  /** A connection was made: whatever came back, somebody is there. */
  answered(upstream: string): void;
  /** Nobody was there: no connection. */
  connectFailed(upstream: string): void;
  /**
   * An answer is there, but its exchange has not ended: a place for that, as many as for requests, or `undefined`. Returns
   * how it is given back.
   */
  linger(upstream: string): (() => void) | undefined;
  /** Requests that wait for any upstream. */
  waiting(): number;
}

/** Connections that fail in a row before an upstream is given up. */
const MAX_CONNECT_FAILURES = 5;
/** How long nobody tries after that, but for one request each time it has passed; doubles up to the longest. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 15_000;
const BUSY_RETRY_SECONDS = 1;

/** Makes the loads of all configured upstreams; those of others are not bounded and never refused. */
export function createUpstreamLoads(options: UpstreamLoadsOptions): UpstreamLoads {
  const places = new Map([...options.maxConcurrent].map(([name, most]) => [name, new Places(most)]));
  const lingering = new Map([...options.maxConcurrent].map(([name, most]) => [name, { left: most }]));
  const circuits = new Map([...options.maxConcurrent.keys()].map((name) => [name, new Circuit()]));
  const refuse = (refusal: UpstreamRefusal) => {
    options.onRefused?.(refusal.code);
    return refusal;
  };
  return {
    enter: (upstream, tenant) => {
      const pauseMs = circuits.get(upstream)?.pauseMs(options.steadyMs()) ?? 0;
      if (pauseMs > 0) return refuse(down(pauseMs));
      const entered = places.get(upstream)?.enter(tenant) ?? true;
      return entered ? undefined : refuse(BUSY);
    },
    leave: (upstream, tenant) => places.get(upstream)?.leave(tenant),
    answered: (upstream) => {
      if (circuits.get(upstream)?.answered() === true) options.onCircuit?.(upstream, "closed");
    },
    connectFailed: (upstream) => {
      const opened = circuits.get(upstream)?.failed(options.steadyMs());
      if (opened === true) options.onCircuit?.(upstream, "open");
    },
    linger: (upstream) => {
      const places = lingering.get(upstream) ?? { left: Infinity };
      if (places.left === 0) return undefined;
      places.left--;
      return () => void places.left++;
    },
    waiting: () => [...places.values()].reduce((sum, { taken }) => sum + taken, 0),
  };
}

const BUSY: UpstreamRefusal = {
  code: "upstream_busy",
  reason: "Too many calls wait for this upstream",
  retryAfterSeconds: BUSY_RETRY_SECONDS,
};

function down(pauseMs: number): UpstreamRefusal {
  const retryAfterSeconds = Math.ceil(pauseMs / 1000);
  return { code: "upstream_unavailable", reason: "The upstream cannot be reached", retryAfterSeconds };
}

/** Opens after failures in a row; then one request is let through each time its pause has passed. */
class Circuit {
  #failures = 0;
  #untilMs = 0;
  #pauseMs = 0;

  /** How long a request has to wait; 0 lets it through, and makes the next one wait for what becomes of it. */
  pauseMs(nowMs: number): number {
    if (this.#pauseMs === 0) return 0;
    const left = this.#untilMs - nowMs;
    if (left > 0) return left;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
    this.#untilMs = nowMs + this.#pauseMs;
    return 0;
  }

  /** Returns whether this closed it. */
  answered(): boolean {
    const wasOpen = this.#pauseMs > 0;
    this.#failures = 0;
    this.#pauseMs = 0;
    return wasOpen;
  }

  /** Returns whether this opened it. What fails while it is open was under way before, or was the one let through. */
  failed(nowMs: number): boolean {
    if (this.#pauseMs > 0 || ++this.#failures < MAX_CONNECT_FAILURES) return false;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#untilMs = nowMs + this.#pauseMs;
    return true;
  }
}
