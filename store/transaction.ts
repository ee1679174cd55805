import type postgres from "postgres";
import type { Tx } from "../core/tx.ts";

/** Wraps the driver's transaction in the opaque type that ports pass around. */
export function asTx(sql: postgres.TransactionSql): Tx {
  return sql as unknown as Tx;
}

/** The driver's transaction inside a `Tx`; only `store/` looks. */
export function sqlOf(tx: Tx): postgres.TransactionSql {
  return tx as unknown as postgres.TransactionSql;
}
