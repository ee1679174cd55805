/**
 * The search index of one segment: which of its events have a term, and when each happened. Formats:
 * docs/design/audit_search.md.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { isJsonObject, type JsonValue } from "../../core/json.ts";
import { TERM_NAMES, type TermName, termValues } from "../event_terms.ts";

/** Events of one segment; the SQL function `audit_search_add` knows it too. */
export const SEGMENT_EVENTS = 4_096;
const BITMAP_BYTES = SEGMENT_EVENTS / 8;
const TIME_BYTES = 8;

/** A term's 64 bits, signed, as text: a bigint column holds it. */
export type TermHash = string;

/** What `audit_search_add` takes of one segment. */
export interface SegmentIndex {
  readonly firstTime: number;
  readonly lastTime: number;
  readonly times: Uint8Array;
  readonly hits: ReadonlyMap<TermHash, Uint8Array>;
}

/** Hash under which a term stands in the index. */
export function termHash(name: TermName, value: string): TermHash {
  return createHash("sha256").update(`${name}\0${value}`, "utf8").digest().readBigInt64BE().toString();
}

/** Takes the events of one segment, those that still have a text, in any portions. */
export class SegmentBuilder {
  readonly #times = new Float64Array(SEGMENT_EVENTS).fill(Number.NaN);
  readonly #terms = TERM_NAMES.map((name) => ({
    ...{ name, of: new Map<string, { readonly hash: TermHash; readonly offsets: number[] }>() },
  }));

  /** `offset`: place in the segment, from 0. */
  add(offset: number, event: JsonValue): void {
    if (!isJsonObject(event)) return;
    if (typeof event.time === "number") this.#times[offset] = event.time;
    for (const { name, of } of this.#terms) {
      for (const value of termValues(event, name)) {
        const term = of.get(value);
        // Hashed here and not at the end: thousands at once would hold up calls.
        if (term === undefined) of.set(value, { hash: termHash(name, value), offsets: [offset] });
        else term.offsets.push(offset);
      }
    }
  }

  build(): SegmentIndex {
    const hits = new Map<TermHash, Uint8Array>();
    for (const { of } of this.#terms) {
      for (const { hash, offsets } of of.values()) hits.set(hash, encodeHits(offsets));
    }
    return { ...timesOf(this.#times), hits };
  }
}

function timesOf(times: Float64Array): Pick<SegmentIndex, "firstTime" | "lastTime" | "times"> {
  const bytes = new DataView(new ArrayBuffer(SEGMENT_EVENTS * TIME_BYTES));
  let [firstTime, lastTime] = [Infinity, -Infinity];
  times.forEach((time, offset) => {
    bytes.setFloat64(offset * TIME_BYTES, time);
    firstTime = Math.min(firstTime, Number.isNaN(time) ? -Infinity : time);
    lastTime = Math.max(lastTime, Number.isNaN(time) ? Infinity : time);
  });
  return { firstTime, lastTime, times: new Uint8Array(bytes.buffer) };
}

/** Two bytes per event, big-endian; as a bitmap where that is not longer. */
function encodeHits(offsets: readonly number[]): Uint8Array {
  if (offsets.length * 2 < BITMAP_BYTES) {
    const bytes = Buffer.alloc(offsets.length * 2);
    offsets.forEach((offset, at) => void bytes.writeUInt16BE(offset, at * 2));
    return bytes;
  }
  const bitmap = new Uint8Array(BITMAP_BYTES);
  for (const offset of offsets) bitmap[offset >> 3]! |= 1 << (offset & 7);
  return bitmap;
}

/** Some of the events of one segment. */
export class EventSet {
  readonly #bits: Uint8Array;

  private constructor(bits: Uint8Array) {
    this.#bits = bits;
  }

  static all(): EventSet {
    return new EventSet(new Uint8Array(BITMAP_BYTES).fill(255));
  }

  /** The events that have a term. */
  static of(hits: Uint8Array): EventSet {
    if (hits.length === BITMAP_BYTES) return new EventSet(hits.slice());
    const bits = new Uint8Array(BITMAP_BYTES);
    for (let at = 0; at + 1 < hits.length; at += 2) {
      const offset = hits[at]! * 256 + hits[at + 1]!;
      if (offset < SEGMENT_EVENTS) bits[offset >> 3]! |= 1 << (offset & 7);
    }
    return new EventSet(bits);
  }

  /** Leaves only what is in both. */
  keepIn(other: EventSet): void {
    for (let at = 0; at < BITMAP_BYTES; at++) this.#bits[at]! &= other.#bits[at]!;
  }

  /** Leaves only events from `from` on and before `to`, epoch milliseconds; those without a time stay. */
  keepWithin(times: Uint8Array, from: number, to: number): void {
    const view = new DataView(times.buffer, times.byteOffset, times.byteLength);
    for (const offset of this.newestFirst()) {
      const time = view.getFloat64(offset * TIME_BYTES);
      if (time < from || time >= to) this.#bits[offset >> 3]! &= ~(1 << (offset & 7));
    }
  }

  /** Places in the segment, the last first. */
  newestFirst(): readonly number[] {
    const found: number[] = [];
    for (let at = BITMAP_BYTES - 1; at >= 0; at--) {
      const byte = this.#bits[at]!;
      if (byte === 0) continue;
      for (let bit = 7; bit >= 0; bit--) if ((byte & 1 << bit) !== 0) found.push(at * 8 + bit);
    }
    return found;
  }
}
