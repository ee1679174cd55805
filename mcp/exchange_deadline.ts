/** How long one exchange with an upstream may take. */

/** One timer from connecting to the last byte, and one that each sign of life starts anew. */
export class ExchangeDeadline {
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasPassed = false;
  #isCancelled = false;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #idleMs: number | undefined;

  constructor(ms: number, idleMs: number | undefined) {
    this.#idleMs = idleMs;
    this.restart(ms);
    this.touch();
  }

  /** The upstream has said something. */
  touch(): void {
    if (this.#idleMs === undefined) return;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#pass(), this.#idleMs);
  }

  #pass(): void {
    this.#hasPassed = true;
    this.#controller.abort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get hasPassed(): boolean {
    return this.#hasPassed;
  }

  restart(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#pass(), ms);
  }

  /** Whether the client has taken its request back. */
  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#controller.abort();
  }

  abort(): void {
    this.#controller.abort();
  }

  clear(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#idleTimer);
  }
}
