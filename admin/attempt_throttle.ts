/** Failed attempts per source address: a bucket of permitted failures that fills again with time. */

/** Failures that an address may make at once, and how long one takes to be forgiven. */
const BURST = 20;
const FORGIVEN_AFTER_MS = 3_000;
/** Addresses remembered. Beyond it the one whose last failure is longest ago is forgotten. */
const MAX_ADDRESSES = 10_000;
/** Look-ups of one address that may be under way at once: a failure is counted only when the database has answered. */
const MAX_PENDING = 256;

export interface AttemptThrottleOptions {
  /** A clock that only goes forward. */
  readonly nowMs: () => number;
  readonly burst?: number;
  readonly forgivenAfterMs?: number;
  readonly maxAddresses?: number;
  readonly maxPending?: number;
}

/** Remembers who failed. Successes change nothing, so nobody is held back by another address's failures. */
export interface AttemptThrottle {
  /** Seconds to wait before the next attempt from there, at least 1, or 0 when there is nothing to wait for. */
  retryAfterSeconds(address: string): number;
  failed(address: string): void;
  /** Begins a look-up whose end `leave` must tell; false when too many from there have not ended. */
  enter(address: string): boolean;
  leave(address: string): void;
  /** Addresses remembered now. */
  size(): number;
}

interface Bucket {
  /** Failures not yet forgiven, as of `atMs`. */
  failures: number;
  atMs: number;
}

/** A throttle with nothing remembered. */
export function createAttemptThrottle(options: AttemptThrottleOptions): AttemptThrottle {
  const { nowMs, burst = BURST, forgivenAfterMs = FORGIVEN_AFTER_MS } = options;
  const { maxAddresses = MAX_ADDRESSES, maxPending = MAX_PENDING } = options;
  const buckets = new Map<string, Bucket>();
  const pending = new Map<string, number>();

  const failuresOf = (bucket: Bucket | undefined): number =>
    bucket === undefined ? 0 : Math.max(0, bucket.failures - (nowMs() - bucket.atMs) / forgivenAfterMs);

  return {
    retryAfterSeconds: (address) => {
      const excess = failuresOf(buckets.get(networkOf(address))) - (burst - 1);
      return excess <= 0 ? 0 : Math.max(1, Math.ceil(excess * forgivenAfterMs / 1000));
    },
    failed: (address) => {
      const network = networkOf(address);
      const failures = Math.min(burst, failuresOf(buckets.get(network)) + 1);
      buckets.delete(network); // inserted anew, so that the map stays in the order of last failures
      if (buckets.size >= maxAddresses) buckets.delete(buckets.keys().next().value ?? "");
      buckets.set(network, { failures, atMs: nowMs() });
    },
    enter: (address) => {
      const network = networkOf(address);
      const others = pending.get(network) ?? 0;
      if (others >= maxPending) return false;
      pending.set(network, others + 1);
      return true;
    },
    leave: (address) => {
      const network = networkOf(address);
      const others = (pending.get(network) ?? 0) - 1;
      if (others > 0) pending.set(network, others);
      else pending.delete(network);
    },
    size: () => buckets.size,
  };
}

/** An IPv4 address, or the /64 of an IPv6 address: whoever has one address of it has all of them. */
export function networkOf(address: string): string {
  const text = address.toLowerCase().split("%")[0] ?? "";
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (mapped?.[1] !== undefined) return mapped[1];
  if (!text.includes(":")) return text;
  const [head = "", tail] = text.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array.from({ length: zeros }, () => "0"), ...right];
  return `${groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`;
}
