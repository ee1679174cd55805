const MAX_MS = 2 ** 48;
const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * Makes a UUIDv7 (RFC 9562): 48 bits of milliseconds since the epoch, then the last 74 random bits of a UUIDv4 as
 * `crypto.randomUUID` makes it, where both versions have them. Identifiers of different milliseconds sort by time as text;
 * within one millisecond their order is random.
 */
export function uuidv7(nowMs: number, uuidv4: string): string {
  if (!Number.isSafeInteger(nowMs) || nowMs < 0 || nowMs >= MAX_MS) {
    throw new RangeError(`Expected whole milliseconds since the epoch below 2^48, got ${nowMs}`);
  }
  if (!UUID_V4.test(uuidv4)) throw new RangeError(`Expected a UUIDv4 in lower case, got "${uuidv4}"`);
  const time = nowMs.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${uuidv4.slice(15)}`;
}
