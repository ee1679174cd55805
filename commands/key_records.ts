/** What the database knows of keys, for the `keys` commands. */
import { GatewayError } from "../core/errors.ts";
import {
  createKeyFingerprints,
  type KeyFingerprintsTable,
  type KnownKey,
} from "../store/key_fingerprints.ts";
import type { Tx } from "../core/tx.ts";
import type { Configuration } from "./configuration.ts";
import { openConfigured } from "./store_parts.ts";

/** Keys by id, with the tokens that still need them. */
export interface KeyRecords {
  readonly known: ReadonlyMap<string, KnownKey>;
  readonly unexpiredTokens: ReadonlyMap<string, number>;
  /** Marks a key as retired. */
  retire(kid: string): Promise<boolean>;
}

/** Opens the configured database for one piece of work. Never makes one, and never changes its schema. */
export async function withKeyRecords<T>(
  configuration: Configuration,
  work: (records: KeyRecords) => Promise<T>,
): Promise<T> {
  await refuseMissing(configuration);
  const db = await openConfigured(configuration);
  try {
    const table: KeyFingerprintsTable = createKeyFingerprints(db);
    const known = await db.deadline(table.list());
    return await work({
      known: new Map(known.map((key) => [key.kid, key])),
      unexpiredTokens: await db.deadline(table.unexpiredTokens()),
      retire: (kid) => db.transact((tx: Tx) => table.retire(tx, kid)),
    });
  } finally {
    await db.close();
  }
}

async function refuseMissing({ databaseUrl, config }: Configuration): Promise<void> {
  if (databaseUrl !== undefined) return;
  const path = `${config.data_dir}/database`;
  try {
    await Deno.stat(path);
  } catch (cause) {
    throw new GatewayError("database_unavailable", `There is no database in "${path}" yet`, { cause });
  }
}
