/**
 * Answers that wait for clients that read slowly or not at all: how much of them one replica keeps, and for how long. What
 * an upstream was allowed to send is here, and its place was given back, so nothing else bounds it.
 */

/** Why an answer was given up: its client took nothing for too long, or others needed the room. */
export type UnreadReason = "unread" | "unread_full";

/** Who is told of an answer that is given up: its connection still holds what the runtime has taken over. */
export type OnUnread = (request: Request, reason: UnreadReason) => void;

export interface UnreadAnswersOptions {
  readonly maxBytes?: number | undefined;
  readonly stalledMs?: number | undefined;
  readonly onDropped?: OnUnread | undefined;
}

/** Where the answers of one party wait. */
export interface UnreadRoom {
  /** An answer begins to wait; `drop` throws it away. */
  holdUnread(drop: () => void): UnreadAnswer;
}

/** What waits for one client. */
export interface UnreadAnswer {
  /** So much waits now. Less than before says that the client reads; nothing, that it has caught up or gone. */
  hold(bytes: number): void;
}

/** Bytes of all answers that wait; when it is full, the tenant that has most loses the one that was not read for longest. */
const MAX_UNREAD_BYTES = 128 * 1024 * 1024;
/**
 * A client that takes nothing for so long loses its answer. Reading is heard of only when the buffers of the operating
 * system have room again, some megabytes later: whoever reads slowly must not be taken for somebody who does not read.
 */
const MAX_STALLED_MS = 5 * 60_000;

/** The unread answers of one replica. */
export class UnreadAnswers {
  readonly #maxBytes: number;
  readonly #stalledMs: number;
  readonly #onDropped: UnreadAnswersOptions["onDropped"];
  /** Who has taken something last stands last. */
  readonly #held = new Set<Held>();
  #bytes = 0;

  constructor(options: UnreadAnswersOptions = {}) {
    this.#maxBytes = options.maxBytes ?? MAX_UNREAD_BYTES;
    this.#stalledMs = options.stalledMs ?? MAX_STALLED_MS;
    this.#onDropped = options.onDropped;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The answer to a request of this tenant. */
  hold(tenant: string, request: Request, drop: () => void): UnreadAnswer {
    const held: Held = { tenant, request, drop, bytes: 0, timer: undefined };
    return { hold: (bytes) => this.#hold(held, bytes) };
  }

  #hold(held: Held, bytes: number): void {
    const added = bytes - held.bytes;
    held.bytes = bytes;
    this.#bytes += added;
    if (added < 0 || bytes === 0) this.#release(held);
    if (bytes > 0 && !this.#held.has(held)) this.#keep(held);
    if (added > 0) this.#makeRoom();
  }

  #keep(held: Held): void {
    this.#held.add(held);
    held.timer = setTimeout(() => this.#drop(held, "unread"), this.#stalledMs);
  }

  #release(held: Held): void {
    clearTimeout(held.timer);
    this.#held.delete(held);
  }

  /** One that is alone may have more than there is: its own limit bounds it. */
  #makeRoom(): void {
    while (this.#bytes > this.#maxBytes && this.#held.size > 1) {
      const tenant = this.#tenantWithMost();
      const [stalest] = [...this.#held].filter((held) => held.tenant === tenant);
      if (stalest === undefined) return;
      this.#drop(stalest, "unread_full");
    }
  }

  #tenantWithMost(): string | undefined {
    const sums = new Map<string, number>();
    for (const { tenant, bytes } of this.#held) sums.set(tenant, (sums.get(tenant) ?? 0) + bytes);
    return [...sums].reduce((most, next) => next[1] > most[1] ? next : most, ["", 0])[0];
  }

  #drop(held: Held, reason: UnreadReason): void {
    this.#release(held);
    this.#bytes -= held.bytes;
    held.bytes = 0;
    held.drop();
    this.#onDropped?.(held.request, reason);
  }
}

interface Held {
  readonly tenant: string;
  readonly request: Request;
  readonly drop: () => void;
  bytes: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}
