/** Counts what the database refuses, loses or answers too late, without changing what its callers see. */
import { GatewayError } from "../core/errors.ts";
import type { Database } from "../store/database.ts";

/** The same database; `onError` learns of every `database_unavailable`. */
export function countDatabaseErrors(
  db: Database,
  onError: (operation: "query" | "transaction") => void,
): Database {
  const counted = async <T>(operation: "query" | "transaction", work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (error instanceof GatewayError && error.code === "database_unavailable") onError(operation);
      throw error;
    }
  };
  return {
    ...db,
    deadline: (query, timeoutMs) => counted("query", db.deadline(query, timeoutMs)),
    transact: (work) => counted("transaction", db.transact(work)),
    ping: () => counted("query", db.ping()),
  };
}
