import type postgres from "postgres";
import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";
import { sqlOf } from "./transaction.ts";

/** One key that a replica once started with. Times are epoch seconds. */
export interface KnownKey {
  readonly kid: string;
  readonly fingerprint: string;
  /** When it was first some replica's active key. */
  readonly activatedAt: number | undefined;
  readonly retiredAt: number | undefined;
}

/** The table `key_fingerprints`. */
export interface KeyFingerprintsTable {
  /** Adds the keys whose id is new, then reads all. Replicas that start at once wait for each other here. */
  register(tx: Tx, fingerprints: ReadonlyMap<string, string>): Promise<readonly KnownKey[]>;
  /** Remembers that a key is or was active. */
  activate(tx: Tx, kid: string): Promise<void>;
  /** Returns whether the key was known and not yet retired. */
  retire(tx: Tx, kid: string): Promise<boolean>;
  list(): Promise<readonly KnownKey[]>;
  /** How many tokens that have not expired were minted under each key. */
  unexpiredTokens(): Promise<ReadonlyMap<string, number>>;
}

interface Stored {
  readonly kid: string;
  readonly fingerprint: string;
  readonly activated_at: number | null;
  readonly retired_at: number | null;
}

export function createKeyFingerprints({ sql, readEverybody }: Database): KeyFingerprintsTable {
  return {
    register: async (tx, fingerprints) => {
      await sqlOf(tx)`
        SELECT key_register(${[...fingerprints.keys()]}::text[], ${[...fingerprints.values()]}::text[])`;
      return await readAll(sqlOf(tx));
    },
    activate: async (tx, kid) => void await sqlOf(tx)`SELECT key_activate(${kid})`,
    retire: async (tx, kid) => {
      const [row] = await sqlOf(tx)<{ retired: boolean }[]>`SELECT key_retire(${kid}) AS retired`;
      return row?.retired === true;
    },
    list: () => readAll(sql),
    unexpiredTokens: async () => {
      const rows = await readEverybody((sql) =>
        sql<{ kid: string; tokens: string }[]>`
        SELECT kid, count(*) AS tokens FROM tokens WHERE expires_at > clock_timestamp() GROUP BY kid`
      );
      return new Map(rows.map((row) => [row.kid, safeInteger(row.tokens)]));
    },
  };
}

async function readAll(sql: postgres.ISql): Promise<readonly KnownKey[]> {
  const rows = await sql<Stored[]>`
    SELECT kid, fingerprint, extract(epoch FROM activated_at)::float8 AS activated_at,
      extract(epoch FROM retired_at)::float8 AS retired_at
    FROM key_fingerprints ORDER BY kid`;
  return rows.map(({ kid, fingerprint, activated_at: activated, retired_at: retired }) => ({
    kid,
    fingerprint,
    activatedAt: activated ?? undefined,
    retiredAt: retired ?? undefined,
  }));
}
