import postgres from "postgres";

/**
 * SQLSTATE classes that speak of the statement's data: 21 and 22 data, 23 constraints, 44 checks, 54 limits, P0 raised by a
 * function. Connections, locks, shutdown and lack of room are the database's own trouble, and so are names and rights (42):
 * our statements are always the same, so what is missing will be there again when somebody has mended it.
 */
const STATEMENT = /^(21|22|23|44|54|P0)/;

/** Whether the database refused what this statement says: nothing of it was done, and the same would be refused again. */
export function isRefusedStatement(error: unknown): boolean {
  const cause = error instanceof Error && !(error instanceof postgres.PostgresError) ? error.cause : error;
  return cause instanceof postgres.PostgresError && STATEMENT.test(cause.code);
}
