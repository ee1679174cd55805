/** Reads a `bigint` column, which arrives as text; refuses what a number cannot hold exactly. */
export function safeInteger(value: unknown): number {
  const number = typeof value === "string" || typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number)) {
    throw new RangeError(`Expected a whole number below 2^53 from the database, got "${String(value)}"`);
  }
  return number;
}
