/** Hashes events one after the other, for the chain and for the tree: an event is encoded once, into one buffer. */
import { hash } from "node:crypto";

const HASH_BYTES = 32;
/** An event of the usual length fits; a longer one makes the buffer grow. */
const FIRST_BYTES = 8_192;
/** UTF-8 takes at most so many bytes for a UTF-16 unit. */
const BYTES_PER_UNIT = 3;

/** Hashes are lower-case hex here: the runtime makes such a text in a third of the time that a buffer takes. */
export class EventHasher {
  readonly #encoder = new TextEncoder();
  /** The chain hash before the event, then the event. The last byte of the former is a leaf's prefix in its turn. */
  #bytes = new Uint8Array(FIRST_BYTES);
  #end = HASH_BYTES;
  #encoded = "";

  /** Hash of the chain after this event (`nextHash`). */
  chainHash(previous: string, canonical: string): string {
    if (previous.length !== 2 * HASH_BYTES) {
      throw new RangeError(`Expected 32 bytes in hex, got "${previous}"`);
    }
    this.#encode(canonical);
    this.#bytes.setFromHex(previous);
    return hash("sha256", this.#bytes.subarray(0, this.#end), "hex");
  }

  /** Hash of the event as a leaf of the tree (`leafHash`). */
  leafHash(canonical: string): string {
    this.#encode(canonical);
    this.#bytes[HASH_BYTES - 1] = 0;
    return hash("sha256", this.#bytes.subarray(HASH_BYTES - 1, this.#end), "hex");
  }

  #encode(canonical: string): void {
    if (this.#encoded === canonical) return;
    const needed = HASH_BYTES + canonical.length * BYTES_PER_UNIT;
    if (this.#bytes.length < needed) this.#bytes = new Uint8Array(needed);
    const { written } = this.#encoder.encodeInto(canonical, this.#bytes.subarray(HASH_BYTES));
    this.#end = HASH_BYTES + written;
    this.#encoded = canonical;
  }
}
