/** Bytes of randomness that one identifier needs. */
export const UUID_RANDOM_BYTES = 10;

const MAX_MS = 2 ** 48;

/**
 * Makes a UUIDv7 (RFC 9562): 48 bits of milliseconds since the epoch, then 74 random bits. Identifiers of different
 * milliseconds sort by time as text; within one millisecond their order is random.
 */
export function uuidv7(nowMs: number, random: Uint8Array): string {
  if (!Number.isSafeInteger(nowMs) || nowMs < 0 || nowMs >= MAX_MS) {
    throw new RangeError(`Expected whole milliseconds since the epoch below 2^48, got ${nowMs}`);
  }
  if (random.length !== UUID_RANDOM_BYTES) {
    throw new RangeError(`Expected ${UUID_RANDOM_BYTES} random bytes, got ${random.length}`);
  }
  const tail = random.slice();
  const view = new DataView(tail.buffer);
  view.setUint8(0, 0x70 | (view.getUint8(0) & 0x0f)); // version 7
  view.setUint8(2, 0x80 | (view.getUint8(2) & 0x3f)); // variant 10
  const hex = nowMs.toString(16).padStart(12, "0") + tail.toHex();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
