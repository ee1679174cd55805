/** What must hold for the events of one chain one after the other, besides the tree: chain hash, tenant, outcomes. */
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { genesisHash, hex } from "./digest.ts";
import { EventHasher } from "./event_hasher.ts";
import { parseEventJson } from "./event_json.ts";

/** Which events are checked. */
export interface CheckedRange {
  readonly log_id: string;
  readonly chain: string;
  readonly first: number;
  readonly chain_hash?: { readonly before: string } | undefined;
  /** Allows before `first` without an outcome so far, where that is known: then no outcome may come from nowhere. */
  readonly owed?: readonly string[] | undefined;
}

export type EventFaultCode = "event" | "mixed_chain" | "chain_hash" | "outcome";

class EventFault extends Error {
  override readonly name = "EventFault";
  constructor(readonly code: EventFaultCode, message: string, readonly seq: number) {
    super(message);
  }
}

/** Takes the events of a range in order; throws `EventCheck.Fault` at the first that does not fit. */
export class EventCheck {
  static readonly Fault = EventFault;
  readonly #range: CheckedRange;
  /** Decision ids of allows without an outcome so far. */
  readonly #open: Set<string>;
  readonly #hasher = new EventHasher();
  /** Chain hash so far, lower-case hex; absent when events are redacted. */
  #hash: string | undefined;
  /** What `hashAfter` has computed, so that `take` need not do it again. */
  #next: { readonly canonical: string; readonly hash: string } | undefined;
  #redacts = false;

  constructor(range: CheckedRange) {
    this.#range = range;
    this.#redacts = range.chain_hash === undefined;
    this.#open = new Set(range.owed);
    if (range.chain_hash === undefined) return;
    this.#hash = range.chain_hash.before;
    if (range.first !== 1 || hex(genesisHash(range.log_id, range.chain)) === range.chain_hash.before) return;
    throw new EventFault("chain_hash", "The chain does not begin with its genesis hash", 1);
  }

  /** Allowed calls without an outcome so far. */
  get open(): number {
    return this.#open.size;
  }

  /** The decision ids of them. */
  openDecisions(): IterableIterator<string> {
    return this.#open.values();
  }

  /** Lower-case hex of the chain hash after the last event; absent when events are redacted. */
  get hash(): string | undefined {
    return this.#hash;
  }

  /** Lower-case hex of the event's hash as a leaf of the tree. */
  leafHash(canonical: string): string {
    return this.#hasher.leafHash(canonical);
  }

  /** Lower-case hex of the chain hash that this event would lead to; absent when events are redacted. */
  hashAfter(canonical: string): string | undefined {
    if (this.#hash === undefined) return undefined;
    if (this.#next?.canonical !== canonical) {
      this.#next = { canonical, hash: this.#hasher.chainHash(this.#hash, canonical) };
    }
    return this.#next.hash;
  }

  take(canonical: string, seq: number): void {
    const event = parseEventJson(canonical);
    if (event === undefined) {
      throw new EventFault("event", `Event ${seq} is no JSON object that every reader can read`, seq);
    }
    const metadata = isJsonObject(event.metadata) ? event.metadata : {};
    if (metadata.tenant_uid !== this.#range.chain || metadata.log_name !== this.#range.log_id) {
      throw new EventFault("mixed_chain", `Event ${seq} is of another chain or log`, seq);
    }
    if (this.#hash !== undefined) {
      this.#hash = this.hashAfter(canonical);
      this.#next = undefined;
    }
    this.#takeOutcome(event, metadata, seq);
  }

  /** Compares the chain hash after the last event. */
  end(after: string | undefined): void {
    if (after === undefined || this.hash === after) return;
    throw new EventFault("chain_hash", "The events do not lead to the chain hash after them", 0);
  }

  #takeOutcome(event: JsonObject, metadata: JsonObject, seq: number): void {
    const decisionId = metadata.correlation_uid;
    if (typeof decisionId !== "string") return;
    if (metadata.event_code === "call.decided") {
      if (isJsonObject(event.unmapped) && event.unmapped.decision === "allow") this.#open.add(decisionId);
      return;
    }
    if (metadata.event_code !== "call.ended") return;
    const wasOpen = this.#open.delete(decisionId);
    // Where the range begins later, or events are left out, the allow may stand before it.
    if (wasOpen || (this.#range.first !== 1 && this.#range.owed === undefined) || this.#redacts) return;
    throw new EventFault("outcome", `Event ${seq} is an outcome without an allow, or a second one`, seq);
  }
}
