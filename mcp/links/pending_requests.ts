/** The requests of one link that wait for their answers: ids of our own, time limits, cancellation. */
import type { JsonValue } from "../../core/json.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { LinkAnswer, LinkRequest } from "../upstream_link.ts";
import { MAX_PENDING } from "./link_options.ts";

/** Why a request is given up while it waits. */
export type GiveUpReason = "timeout" | "idle_timeout" | "cancelled";

/** One request that waits. Ends exactly once: answered, failed or given up. */
export class PendingRequest {
  readonly answer: Promise<LinkAnswer>;
  /** Aborted when the request has ended, however. */
  readonly ended: AbortSignal;
  /** Told before `answer` rejects, when the request is given up after it was sent. */
  onGivenUp: (reason: GiveUpReason) => void = () => {};
  /** Set as soon as the first byte may have left: from then on nobody knows what the upstream did. */
  isSent = false;
  /** True once an answer came, false while it waits and when it failed. */
  isAnswered = false;
  readonly #end = new AbortController();
  readonly #onEnd: () => void;
  #settle: { resolve(answer: LinkAnswer): void; reject(error: UpstreamFailure): void };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  /** While the upstream waits for the client, its silence is not held against it. */
  #holds = 0;

  constructor(readonly id: number, readonly request: LinkRequest, onEnd: () => void) {
    const { promise, resolve, reject } = Promise.withResolvers<LinkAnswer>();
    this.answer = promise;
    // Who opened the request awaits the same promise; without this a failure in between would end the process.
    promise.catch(() => {});
    this.#settle = { resolve, reject };
    this.ended = this.#end.signal;
    this.#onEnd = onEnd;
    if (Number.isFinite(request.timeoutMs)) {
      this.#timer = setTimeout(() => this.#giveUp("timeout"), request.timeoutMs);
    }
    this.touch();
    request.signal.addEventListener("abort", this.#onAbort);
    if (request.signal.aborted) this.#giveUp("cancelled");
  }

  readonly #onAbort = () => this.#giveUp("cancelled");

  /** Something came that belongs to this request. */
  touch(): void {
    const { idleTimeoutMs } = this.request;
    clearTimeout(this.#idleTimer);
    if (idleTimeoutMs === undefined || this.#holds > 0 || this.ended.aborted) return;
    this.#idleTimer = setTimeout(() => this.#giveUp("idle_timeout"), idleTimeoutMs);
  }

  /** The upstream waits for the client; answers how to end that. */
  hold(): () => void {
    this.#holds++;
    this.touch();
    return () => {
      this.#holds--;
      this.touch();
    };
  }

  resolve(answer: LinkAnswer): void {
    if (this.ended.aborted) return;
    this.isAnswered = true;
    this.#finish();
    this.#settle.resolve(answer);
  }

  fail(failure: UpstreamFailure): void {
    if (this.#finish()) this.#settle.reject(failure);
  }

  /** Fails as a connection that broke: what was never sent has certainly had no effect. */
  breakOff(code: string): void {
    this.fail(new UpstreamFailure(this.isSent ? "unknown" : "upstream_failed", code));
  }

  #giveUp(reason: GiveUpReason): void {
    if (this.ended.aborted) return;
    if (this.isSent) this.onGivenUp(reason);
    this.breakOff(reason === "cancelled" ? "cancelled" : "timeout");
  }

  #finish(): boolean {
    if (this.ended.aborted) return false;
    clearTimeout(this.#timer);
    clearTimeout(this.#idleTimer);
    this.request.signal.removeEventListener("abort", this.#onAbort);
    this.#onEnd();
    this.#end.abort();
    return true;
  }
}

/** All waiting requests of one link. */
export class PendingRequests {
  readonly #pending = new Map<number, PendingRequest>();
  readonly #maxPending: number;
  #nextId = 1;

  constructor(maxPending: number = MAX_PENDING) {
    this.#maxPending = maxPending;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Takes a request in; throws `UpstreamFailure` when too many wait. */
  open(request: LinkRequest): PendingRequest {
    if (this.#pending.size >= this.#maxPending) {
      throw new UpstreamFailure("upstream_failed", "too_many_requests");
    }
    const id = this.#nextId++;
    let hasEnded = false;
    const pending = new PendingRequest(id, request, () => {
      hasEnded = true;
      this.#pending.delete(id);
    });
    if (!hasEnded) this.#pending.set(id, pending);
    return pending;
  }

  /** Finds by id or progress token, which are the same number; ids of other types are never ours. */
  find(id: JsonValue | undefined): PendingRequest | undefined {
    return typeof id === "number" ? this.#pending.get(id) : undefined;
  }

  /**
   * The request that something must be meant for which names none: the only one that fits, or the newest when one and the
   * same listener has made all that do.
   */
  addressee(fits: (request: LinkRequest) => boolean): PendingRequest | undefined {
    const fitting = [...this.#pending.values()].filter(({ request }) => fits(request));
    const newest = fitting.at(-1);
    const listener = newest?.request.listensAs;
    const isCertain = fitting.length === 1 ||
      (listener !== undefined && fitting.every(({ request }) => request.listensAs === listener));
    return isCertain ? newest : undefined;
  }

  /** Ends all: the connection is gone. */
  breakOff(code: string): void {
    for (const pending of [...this.#pending.values()]) pending.breakOff(code);
  }
}
