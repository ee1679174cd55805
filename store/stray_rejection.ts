import { asDatabaseError } from "./deadline.ts";

/** What postgres.js asks every new connection, in `fetchArrayTypes` of its `connection.js`. */
const TYPE_QUERY = /from pg_catalog\.pg_type a/;

/**
 * Whether a rejection that nobody waits for is the driver's own question about array types, whose connection broke: a
 * connection that ends right after it was opened would otherwise end the process. Who waits for that connection is told
 * by his own query.
 */
export function isStrayRejection(reason: unknown): boolean {
  if (!(reason instanceof Error) || asDatabaseError(reason) === reason) return false;
  return "query" in reason && typeof reason.query === "string" && TYPE_QUERY.test(reason.query);
}
