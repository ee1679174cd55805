import postgres from "postgres";
import { GatewayError } from "../core/errors.ts";

/** Codes of postgres.js, of TLS and of the operating system that mean: the connection, not the query, failed. */
const CONNECTION_CODE =
  /^(E[A-Z]+|CONNECTION_[A-Z]+|CONNECT_TIMEOUT|SASL_[A-Z_]+|ERR_TLS_[A-Z_]+|[A-Z_]*CERT[A-Z_]*)$/;

/**
 * Waits for a query at most `timeoutMs`, then rejects with `database_unavailable`. The query itself may still run: the
 * database's answer is then unknown, not "no". (postgres.js cannot take a query back safely: one that waits for its
 * connection would leave that connection unusable.)
 */
export async function withDeadline<T>(
  query: PromiseLike<T>,
  timeoutMs: number,
  onOverrun: () => void = () => {},
): Promise<T> {
  const { promise: overrun, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(unavailable(`it did not answer within ${timeoutMs} ms`));
    onOverrun();
  }, timeoutMs);
  const answer = Promise.resolve(query);
  answer.catch(() => {}); // after an overrun nobody else listens
  try {
    return await Promise.race([answer, overrun]);
  } catch (cause) {
    throw asDatabaseError(cause);
  } finally {
    clearTimeout(timer);
  }
}

/** Turns what the driver throws into `database_unavailable`; everything else, bugs included, stays what it is. */
export function asDatabaseError(cause: unknown): unknown {
  return isDriverError(cause) ? unavailable(messageOf(cause), cause) : cause;
}

/** Text of an error for operators; connection attempts to several addresses carry theirs inside. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  return error.message !== "" ? error.message : codeOf(error) ?? error.name;
}

function unavailable(detail: string, cause?: unknown): GatewayError {
  return new GatewayError("database_unavailable", `Cannot use the database: ${detail}`, { cause });
}

function isDriverError(error: unknown): error is Error {
  if (error instanceof postgres.PostgresError || error instanceof AggregateError) return true;
  return error instanceof Error && !(error instanceof GatewayError) &&
    CONNECTION_CODE.test(codeOf(error) ?? "");
}

function codeOf(error: Error): string | undefined {
  return "code" in error && typeof error.code === "string" ? error.code : undefined;
}
