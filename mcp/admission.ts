/**
 * How many requests one replica takes on at once, and whose. A burst waits for a moment; everything beyond is refused at
 * the door, before its body is looked at.
 *
 * A tenant is known only after its token was verified. So a credential that was is remembered with its tenant, and counts
 * for that tenant from its arrival on; all others are strangers, who together are one party and share by address.
 */
import { Places } from "../core/places.ts";
import {
  type UnreadAnswer,
  UnreadAnswers,
  type UnreadAnswersOptions,
  type UnreadRoom,
} from "./unread_answers.ts";

/** Why a request was refused: which bound was reached. */
export type OverloadReason = "reading" | "deciding" | "large_bodies" | "streams";

export interface AdmissionOptions {
  /** Calls between the end of their body and the record of their decision. */
  readonly maxDeciding: number;
  /** Calls whose body has come and that wait for one of those places. */
  readonly maxWaiting?: number;
  readonly maxReading?: number;
  readonly maxLargeBodies?: number;
  readonly maxStreams?: number;
  /** What clients that do not read may leave here. */
  readonly unread?: UnreadAnswersOptions;
  readonly onRefused?: ((reason: OverloadReason) => void) | undefined;
}

/** Who gets in. */
export interface Admissions {
  /** A request has come; throws `Overloaded` when it must not even be read. */
  arrive(request: Request, credential: string | undefined, address: string): Visit;
  reading(): number;
  /** Those who wait for that included. */
  deciding(): number;
  /** Bytes of answers that nobody has read yet. */
  unreadBytes(): number;
}

/** Thrown for a request that is refused because too much is under way; the front answers it with 503. */
export class Overloaded extends Error {
  override readonly name = "Overloaded";
  constructor(readonly reason: OverloadReason) {
    super(`Too many requests at once: ${reason}`);
  }
}

/** For each call that is decided so many may wait: a burst, not a backlog. */
const WAITING_PER_PLACE = 3;
/** Who has waited longer is refused: whoever asks again fares better than everybody waiting. */
const MAX_WAIT_MS = 1_000;
/** Requests whose body is still on its way: at most 64 KiB of each is in memory unless its sender is known. */
const MAX_READING = 1_024;
/** Bodies longer than that, from their arrival until their call is answered. */
const MAX_LARGE_BODIES = 32;
/** Streams of sessions and listeners, each of which holds a connection on both sides. */
const MAX_STREAMS = 2_500;
/** Credentials whose tenant is remembered. */
const MAX_KNOWN = 4_096;
const STRANGERS = "~strangers";

/** Makes the door of one replica. */
export function createAdmissions(options: AdmissionOptions): Admissions {
  return new Door(options);
}

/** Places of one kind: of all parties, and within them of the strangers' addresses. */
class Kind {
  readonly all: Places;
  readonly #strangers: Places;

  constructor(readonly reason: OverloadReason, limit: number) {
    this.all = new Places(limit);
    this.#strangers = new Places(limit);
  }

  hasRoom(tenant: string | undefined, address: string): boolean {
    if (tenant !== undefined) return this.all.hasRoom(tenant);
    return this.all.hasRoom(STRANGERS) && this.#strangers.hasRoom(address);
  }

  enter(tenant: string | undefined, address: string): boolean {
    if (!this.hasRoom(tenant, address)) return false;
    this.all.force(tenant ?? STRANGERS);
    if (tenant === undefined) this.#strangers.force(address);
    return true;
  }

  leave(tenant: string | undefined, address: string): void {
    this.all.leave(tenant ?? STRANGERS);
    if (tenant === undefined) this.#strangers.leave(address);
  }
}

type Kinds = Readonly<Record<"reading" | "waiting" | "deciding" | "large" | "streams", Kind>>;

/** Somebody whose body has come, and how to call them in. */
interface Waiter {
  readonly party: Party;
  readonly callIn: () => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

class Door implements Admissions {
  readonly #known = new Map<string, string>();
  readonly #kinds: Kinds;
  readonly #onRefused: AdmissionOptions["onRefused"];
  /** By tenant or stranger's address, in the order in which they are called in. */
  readonly #waiters = new Map<string, Waiter[]>();
  readonly unread: UnreadAnswers;

  constructor(options: AdmissionOptions) {
    this.#kinds = {
      reading: new Kind("reading", options.maxReading ?? MAX_READING),
      waiting: new Kind("deciding", options.maxWaiting ?? WAITING_PER_PLACE * options.maxDeciding),
      deciding: new Kind("deciding", options.maxDeciding),
      large: new Kind("large_bodies", options.maxLargeBodies ?? MAX_LARGE_BODIES),
      streams: new Kind("streams", options.maxStreams ?? MAX_STREAMS),
    };
    this.#onRefused = options.onRefused;
    this.unread = new UnreadAnswers(options.unread);
  }

  arrive(request: Request, credential: string | undefined, address: string): Visit {
    const tenant = credential === undefined ? undefined : this.#known.get(credential);
    const { deciding, waiting, reading } = this.#kinds;
    const network = tenant === undefined ? networkOf(address) : address;
    if (!deciding.hasRoom(tenant, network) && !waiting.hasRoom(tenant, network)) throw this.refused(deciding);
    if (!reading.enter(tenant, network)) throw this.refused(reading);
    return new Visit(this, this.#kinds, request, { credential, tenant, address: network });
  }

  reading(): number {
    return this.#kinds.reading.all.taken;
  }

  deciding(): number {
    return this.#kinds.deciding.all.taken + this.#kinds.waiting.all.taken;
  }

  unreadBytes(): number {
    return this.unread.bytes;
  }

  /** Waits for a place among those being decided; rejects with `Overloaded` after a second. */
  wait(party: Party): Promise<void> {
    const { waiting } = this.#kinds;
    if (!waiting.enter(party.tenant, party.address)) throw this.refused(waiting);
    return new Promise((callIn, reject) => {
      const key = party.tenant ?? `~${party.address}`;
      const refuse = () => {
        this.#setWaiters(key, this.#waiters.get(key)?.filter((other) => other !== waiter) ?? []);
        waiting.leave(party.tenant, party.address);
        reject(this.refused(waiting));
      };
      const waiter: Waiter = { party, callIn, timer: setTimeout(refuse, MAX_WAIT_MS) };
      this.#waiters.set(key, [...this.#waiters.get(key) ?? [], waiter]);
    });
  }

  /** Somebody has left: calls in who waits, one party after the other. */
  callIn(): void {
    for (const [key, [next]] of this.#waiters) {
      if (next === undefined || !this.#kinds.deciding.hasRoom(next.party.tenant, next.party.address)) {
        continue;
      }
      const left = this.#waiters.get(key)?.slice(1) ?? [];
      this.#waiters.delete(key);
      this.#setWaiters(key, left); // at the end
      clearTimeout(next.timer);
      this.#kinds.waiting.leave(next.party.tenant, next.party.address);
      this.#kinds.deciding.enter(next.party.tenant, next.party.address);
      return next.callIn();
    }
  }

  #setWaiters(key: string, waiters: Waiter[]): void {
    if (waiters.length > 0) this.#waiters.set(key, waiters);
    else this.#waiters.delete(key);
  }

  refused({ reason }: Kind): Overloaded {
    this.#onRefused?.(reason);
    return new Overloaded(reason);
  }

  learn(credential: string, tenant: string): void {
    if (this.#known.size >= MAX_KNOWN) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    this.#known.set(credential, tenant);
  }

  forget(credential: string): void {
    this.#known.delete(credential);
  }
}

interface Party {
  readonly credential: string | undefined;
  readonly tenant: string | undefined;
  readonly address: string;
}

/** One request inside, from its arrival to its answer. */
export class Visit implements UnreadRoom {
  readonly #door: Door;
  readonly #kinds: Kinds;
  readonly #request: Request;
  #party: Party;
  #at: Kind | undefined;
  #hasLargeBody = false;
  #hasEnded = false;

  constructor(door: Door, kinds: Kinds, request: Request, party: Party) {
    this.#door = door;
    this.#kinds = kinds;
    this.#request = request;
    this.#party = party;
    this.#at = kinds.reading;
  }

  /** The body has come. Nothing to wait for, or a promise; throws or rejects with `Overloaded`. */
  decide(): Promise<void> | undefined {
    this.decided();
    const { deciding } = this.#kinds;
    const { tenant, address } = this.#party;
    if (!deciding.enter(tenant, address)) {
      return this.#door.wait(this.#party).then(() => {
        this.#at = deciding;
        if (this.#hasEnded) this.decided();
      });
    }
    this.#at = deciding;
    return undefined;
  }

  /**
   * Leaves its place while an upstream is read, so that a silent one takes nothing from the others, and takes one again
   * after; rejects with `Overloaded` when there is none.
   */
  async leaveFor<Result>(reading: Promise<Result>): Promise<Result> {
    if (this.#at !== this.#kinds.deciding) return await reading;
    this.decided();
    try {
      return await reading;
    } finally {
      if (!this.#hasEnded) await this.decide();
    }
  }

  /** The token is verified. Throws `Overloaded` when this tenant has too many places. */
  isOf(tenant: string): void {
    const { credential, tenant: known, address } = this.#party;
    if (known === tenant) return;
    if (credential !== undefined) this.#door.learn(credential, tenant);
    this.#move({ credential, tenant, address }, this.#at);
  }

  /** More than the first 64 KiB are wanted, of a verified sender. Throws `Overloaded`. */
  takeLargeBody(): void {
    if (this.#hasLargeBody) return;
    const { large } = this.#kinds;
    if (!large.enter(this.#party.tenant, this.#party.address)) throw this.#door.refused(large);
    this.#hasLargeBody = true;
  }

  /** A stream opens, which outlives this visit. Throws `Overloaded`; otherwise returns how its place is given back. */
  openStream(): () => void {
    const { streams } = this.#kinds;
    const { tenant, address } = this.#party;
    if (!streams.enter(tenant, address)) throw this.#door.refused(streams);
    let isOpen = true;
    return () => {
      if (isOpen) streams.leave(tenant, address);
      isOpen = false;
    };
  }

  holdUnread(drop: () => void): UnreadAnswer {
    return this.#door.unread.hold(this.#party.tenant ?? STRANGERS, this.#request, drop);
  }

  /** Nothing is decided any more: an upstream works, which has bounds of its own. */
  decided(): void {
    const at = this.#at;
    this.#at = undefined;
    at?.leave(this.#party.tenant, this.#party.address);
    if (at === this.#kinds.deciding) this.#door.callIn();
  }

  /** The answer is there. */
  end(status: number): void {
    this.#hasEnded = true;
    this.decided();
    const { tenant, address, credential } = this.#party;
    if (this.#hasLargeBody) this.#kinds.large.leave(tenant, address);
    this.#hasLargeBody = false;
    if (status === 401 && credential !== undefined) this.#door.forget(credential);
  }

  /** The same place, for another party: nobody is called in between. */
  #move(to: Party, kind: Kind | undefined): void {
    const from = this.#party;
    this.#party = to;
    this.#at = undefined;
    kind?.leave(from.tenant, from.address);
    if (this.#hasLargeBody) {
      this.#kinds.large.leave(from.tenant, from.address);
      this.#hasLargeBody = false;
      this.takeLargeBody();
    }
    if (kind === undefined) return;
    if (kind.enter(to.tenant, to.address)) this.#at = kind;
    else {
      if (kind === this.#kinds.deciding) this.#door.callIn();
      throw this.#door.refused(kind);
    }
  }
}

/** IPv6 hands every host a whole /64: that is one party. */
function networkOf(address: string): string {
  if (!address.includes(":") || address.includes(".")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === "" ? 0 : tail.split(":").length);
  return [...groups, ...Array(missing).fill("0"), ...(tail?.split(":") ?? [])].slice(0, 4).join(":");
}
