import postgres from "postgres";

/**
 * SQLSTATE classes that speak of the statement or its data: 21 and 22 data, 23 constraints, 42 names and rights, 44 checks,
 * 54 limits, P0 raised by a function. Connections, locks, shutdown and lack of room are the database's own trouble.
 */
const STATEMENT = /^(21|22|23|42|44|54|P0)/;

/** Whether the database refused this very statement: nothing of it was done, and the same again would be refused again. */
export function isRefusedStatement(error: unknown): boolean {
  const cause = error instanceof Error && !(error instanceof postgres.PostgresError) ? error.cause : error;
  return cause instanceof postgres.PostgresError && STATEMENT.test(cause.code);
}
