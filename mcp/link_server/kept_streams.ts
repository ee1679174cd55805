/**
 * Streams whose connection may break: what was sent on them is kept for a while, for the client that comes back for the
 * rest (MCP 2025-11-25, Streamable HTTP, "Resumability and Redelivery").
 */
import { dataEvent, EventWriter } from "../event_stream.ts";
import { writeLinkEventId } from "../link_event_id.ts";
import { eventResponse } from "./answer_stream.ts";

/** Most characters that are kept of one stream with an answer; the oldest go first, and with them the way back. */
export const MAX_KEPT_OF_STREAM = 1024 * 1024;
/** The same of a session's own stream, whose notices are small. */
export const MAX_KEPT_OF_SESSION = 64 * 1024;
/** Most characters of all streams of a replica; beyond it the tenant that has the most loses those of its oldest stream. */
export const MAX_KEPT = 64 * 1024 * 1024;
/** How long a stream that has ended can be resumed, milliseconds. */
export const KEPT_MS = 5 * 60_000;

const SWEEP_MS = 60_000;
/** What an event costs besides its text, and a stream besides its events. */
const EVENT_COST = 100;
const STREAM_COST = 1_200;

export interface KeptStreamOptions {
  readonly tenant: string;
  /** Absent for the session's own stream. */
  readonly upstream?: string;
  readonly maxKept: number;
  readonly onForgotten: () => void;
}

interface Holder {
  kept: number;
  /** Those that keep something, in the order in which they began. */
  readonly streams: Set<KeptStream>;
}

/** All streams of a replica, and how much they keep together. */
export class KeptStreams {
  readonly #options: { readonly newId: () => string; readonly steadyMs: () => number };
  readonly #holders = new Map<string, Holder>();
  /** In the order in which they ended. */
  readonly #ended = new Map<KeptStream, number>();
  #kept = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: { readonly newId: () => string; readonly steadyMs: () => number }) {
    this.#options = options;
  }

  /** Characters that are kept now. */
  get kept(): number {
    return this.#kept;
  }

  /** Begins a stream. */
  open(options: KeptStreamOptions): KeptStream {
    return new KeptStream(options, this.#options.newId(), {
      grew: (stream, by) => this.#grow(stream, by),
      ended: (stream) => this.#end(stream),
    });
  }

  /** Forgets a stream and everything that it keeps. */
  forget(stream: KeptStream): void {
    this.#drop(stream);
    this.#ended.delete(stream);
    stream.close();
    if (this.#ended.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #grow(stream: KeptStream, by: number): void {
    const { tenant } = stream.options;
    const holder = this.#holders.get(tenant) ?? { kept: 0, streams: new Set() };
    this.#holders.set(tenant, holder);
    holder.streams.add(stream);
    this.#count(tenant, holder, by);
    if (stream.kept === 0) this.#drop(stream);
    while (this.#kept > MAX_KEPT) this.#dropOldest();
  }

  #dropOldest(): void {
    let most: Holder | undefined;
    for (const holder of this.#holders.values()) if (holder.kept > (most?.kept ?? 0)) most = holder;
    const [oldest] = most?.streams ?? [];
    if (oldest === undefined) throw new TypeError("Characters are counted that no stream keeps");
    this.#drop(oldest);
    if (this.#ended.has(oldest)) this.forget(oldest);
  }

  #drop(stream: KeptStream): void {
    const { tenant } = stream.options;
    const holder = this.#holders.get(tenant);
    if (holder?.streams.delete(stream) === true) this.#count(tenant, holder, -stream.drop());
  }

  #count(tenant: string, holder: Holder, by: number): void {
    holder.kept += by;
    this.#kept += by;
    if (holder.streams.size === 0) this.#holders.delete(tenant);
  }

  #end(stream: KeptStream): void {
    if (stream.kept === 0) return this.forget(stream);
    this.#ended.set(stream, this.#options.steadyMs());
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS);
  }

  #sweep(): void {
    const before = this.#options.steadyMs() - KEPT_MS;
    for (const [stream, endedMs] of [...this.#ended]) {
      if (endedMs >= before) break;
      this.forget(stream);
    }
  }
}

interface Keeper {
  readonly grew: (stream: KeptStream, by: number) => void;
  readonly ended: (stream: KeptStream) => void;
}

/** One stream. */
export class KeptStream {
  readonly options: KeptStreamOptions;
  readonly id: string;
  readonly #keeper: Keeper;
  #events: string[] = [];
  #kept = 0;
  #last = 0;
  #resumed: EventWriter | undefined;
  #hasEnded = false;
  #isForgotten = false;

  constructor(options: KeptStreamOptions, id: string, keeper: Keeper) {
    this.options = options;
    this.id = id;
    this.#keeper = keeper;
  }

  /** Characters that it keeps. */
  get kept(): number {
    return this.#kept;
  }

  /** An event without data: with its id alone a client can come back when nothing has been sent yet. */
  primingEvent(): string {
    return `id: ${this.#eventId(this.#last)}\ndata: \n\n`;
  }

  /** Keeps the next event and gives it to who has resumed the stream; returns its text. */
  write(data: string): string {
    const text = `id: ${this.#eventId(++this.#last)}\n${dataEvent(data)}`;
    if (this.#isForgotten) return text;
    const before = this.#kept;
    this.#kept += costOf(text) + (this.#events.length === 0 ? STREAM_COST : 0);
    this.#events.push(text);
    while (this.#kept > this.options.maxKept) this.#kept -= costOf(this.#events.shift() ?? "");
    if (this.#events.length === 0) this.#kept = 0;
    this.#resumed?.write(text);
    this.#keeper.grew(this, this.#kept - before);
    return text;
  }

  /** The texts of the events after the one of this number; `undefined` when not all of them are there any more. */
  after(number: number): readonly string[] | undefined {
    const first = this.#last - this.#events.length + 1;
    return number > this.#last || number + 1 < first ? undefined : this.#events.slice(number + 1 - first);
  }

  /** A stream of what follows the event of this number; a newer one takes the place of an older one. */
  resume(number: number, signal: AbortSignal): Response | undefined {
    const events = this.after(number);
    if (events === undefined) return undefined;
    const writer: EventWriter = new EventWriter(() => this.#leave(writer));
    for (const text of events) writer.write(text);
    if (this.#hasEnded || signal.aborted) {
      writer.close();
      return eventResponse(writer);
    }
    const former = this.#resumed;
    this.#resumed = writer;
    former?.close();
    const end = () => {
      if (this.#leave(writer)) writer.close();
    };
    signal.addEventListener("abort", end, { once: true });
    return eventResponse(writer);
  }

  /** Nothing more comes; what is kept stays for a while. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#endResumed();
    this.#keeper.ended(this);
  }

  /** Throws away what is kept; returns how much it was. */
  drop(): number {
    const dropped = this.#kept;
    this.#events = [];
    this.#kept = 0;
    return dropped;
  }

  /** Keeps nothing any more. */
  close(): void {
    this.#hasEnded = true;
    this.#isForgotten = true;
    this.#endResumed();
    this.options.onForgotten();
  }

  #endResumed(): void {
    this.#resumed?.close();
    this.#resumed = undefined;
  }

  #leave(writer: EventWriter): boolean {
    if (this.#resumed !== writer) return false;
    this.#resumed = undefined;
    return true;
  }

  #eventId(number: number): string {
    const { upstream } = this.options;
    return writeLinkEventId({ ...(upstream === undefined ? {} : { upstream }), stream: this.id, number });
  }
}

function costOf(text: string): number {
  return text.length + EVENT_COST;
}
