declare const brand: unique symbol;

/**
 * An open database transaction, as `store.transact` hands it out. Ports that change something take it, so that a
 * change and its audit event commit together. Only `store/` looks inside.
 */
export interface Tx {
  readonly [brand]: "tx";
}
