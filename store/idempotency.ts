import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";
import { sqlOf } from "./transaction.ts";

/** What is kept of an answered request: a digest of the request, and the answer, sealed. */
export interface KeptAnswer {
  readonly requestSha256: Uint8Array;
  readonly sealed: string;
}

/** How a key stands when a transaction takes it. */
export type Claim =
  | { readonly state: "free" }
  | { readonly state: "in_flight" }
  /** The operator has too many keys; the first of them expires in so many seconds. */
  | { readonly state: "full"; readonly retryAfterSeconds: number }
  | { readonly state: "kept"; readonly kept: KeptAnswer };

/** Whose key it is. */
export interface OwnedKey {
  readonly operator: string;
  readonly key: string;
}

/** The table `idempotency_keys`. Expiry is measured by the clock of the database. */
export interface IdempotencyTable {
  /** The answer of a key, unless it expired. */
  find(owned: OwnedKey): Promise<KeptAnswer | undefined>;
  /** Takes the key until the transaction ends; nobody waits for it. */
  claim(tx: Tx, owned: OwnedKey, most: number): Promise<Claim>;
  /** Keeps the answer of a claimed key. */
  keep(tx: Tx, owned: OwnedKey, kept: KeptAnswer, seconds: number): Promise<void>;
  /** Removes all keys of an operator. */
  forget(tx: Tx, operator: string): Promise<void>;
  /** Removes expired keys, at most `most`; returns how many. */
  prune(most: number): Promise<number>;
}

interface Stored {
  readonly state: Claim["state"];
  readonly kept_sha256: Uint8Array | null;
  readonly kept_answer: string | null;
  readonly retry_after_seconds: number | null;
}

export function createIdempotency({ sql }: Database): IdempotencyTable {
  return {
    find: async ({ operator, key }) => {
      const [row] = await sql<{ request_sha256: Uint8Array; answer: string }[]>`
        SELECT request_sha256, answer FROM idempotency_keys
        WHERE operator = ${operator} AND key = ${key} AND expires_at > clock_timestamp()`;
      return row === undefined ? undefined : { requestSha256: row.request_sha256, sealed: row.answer };
    },
    claim,
    keep: async (tx, { operator, key }, { requestSha256, sealed }, seconds) => {
      await sqlOf(tx)`
        SELECT idempotency_keep(${operator}, ${key}, ${requestSha256}, ${sealed}, ${seconds})`;
    },
    forget: async (tx, operator) => void await sqlOf(tx)`SELECT idempotency_forget(${operator})`,
    prune: async (most) => {
      const [row] = await sql<{ removed: string }[]>`SELECT idempotency_prune(${most}) AS removed`;
      return safeInteger(row?.removed);
    },
  };
}

async function claim(tx: Tx, { operator, key }: OwnedKey, most: number): Promise<Claim> {
  const [row] = await sqlOf(tx)<Stored[]>`SELECT * FROM idempotency_claim(${operator}, ${key}, ${most})`;
  switch (row?.state) {
    case "free":
    case "in_flight":
      return { state: row.state };
    case "full":
      return { state: row.state, retryAfterSeconds: row.retry_after_seconds ?? 1 };
    case "kept":
      if (row.kept_sha256 === null || row.kept_answer === null) break;
      return { state: row.state, kept: { requestSha256: row.kept_sha256, sealed: row.kept_answer } };
  }
  throw new TypeError(`Expected the state of a key, got "${row?.state}"`);
}
