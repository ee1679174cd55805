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
  const at = (index: number): string => HEX[random[index] ?? 0] ?? "";
  const version = HEX[0x70 | ((random[0] ?? 0) & 0x0f)] ?? "";
  const variant = HEX[0x80 | ((random[2] ?? 0) & 0x3f)] ?? "";
  return `${timeText(nowMs)}-${version}${at(1)}-${variant}${at(3)}-${at(4)}${at(5)}${at(6)}${at(7)}${at(8)}${
    at(9)
  }`;
}

/** Every byte as two lower-case hex digits: an identifier is made three times per call. */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** The first two groups: 48 bits of milliseconds, most significant first. */
function timeText(nowMs: number): string {
  const high = Math.floor(nowMs / 2 ** 32);
  const low = nowMs % 2 ** 32;
  const byte = (value: number, shift: number): string => HEX[(value >>> shift) & 0xff] ?? "";
  return `${byte(high, 8)}${byte(high, 0)}${byte(low, 24)}${byte(low, 16)}-${byte(low, 8)}${byte(low, 0)}`;
}
