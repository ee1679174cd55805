/** What the database knows of keys, for the `keys` commands. */
import { installationEvent } from "../audit/installation_event.ts";
import { canonicalEvent } from "../audit/shorten.ts";
import { INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import { GatewayError } from "../core/errors.ts";
import type { Tx } from "../core/tx.ts";
import { createAuditEvents } from "../store/audit_events.ts";
import type { Database } from "../store/database.ts";
import { createInstallation } from "../store/installation.ts";
import {
  createKeyFingerprints,
  type KeyFingerprintsTable,
  type KnownKey,
} from "../store/key_fingerprints.ts";
import type { Configuration } from "./configuration.ts";
import { localOperator } from "./local_operator.ts";
import { newId } from "./random.ts";
import { openConfigured } from "./store_parts.ts";
import { VERSION } from "./version.ts";

/** Keys by id, with the tokens that still need them. */
export interface KeyRecords {
  readonly known: ReadonlyMap<string, KnownKey>;
  readonly unexpiredTokens: ReadonlyMap<string, number>;
  /** Marks a key as retired, and records who did it: the person at this machine. */
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
    const known = new Map((await db.deadline(table.list())).map((key) => [key.kid, key]));
    return await work({
      known,
      unexpiredTokens: await db.deadline(table.unexpiredTokens()),
      retire: (kid) => retire(configuration, db, table, { kid, fingerprint: known.get(kid)?.fingerprint }),
    });
  } finally {
    await db.close();
  }
}

async function retire(
  { digest: configDigest }: Configuration,
  db: Database,
  table: KeyFingerprintsTable,
  { kid, fingerprint }: { readonly kid: string; readonly fingerprint: string | undefined },
): Promise<boolean> {
  const { logId, settingsVersion } = await db.deadline(createInstallation(db).readInstallation());
  return await db.transact(async (tx: Tx) => {
    if (!await table.retire(tx, kid)) return false; // it was already, or nobody ever started with it
    const eventId = newId();
    const event = installationEvent({ logId, version: VERSION, configDigest }, {
      ...{ eventId, timeMs: Date.now(), settingsVersion, code: "key.retired", local: localOperator() },
      entity: { type: "master_key", uid: kid, data: { fingerprint } },
    });
    const canonical = canonicalEvent(event);
    const entry = { chain: INSTALLATION_CHAIN, eventId, canonical, conditions: [] };
    await createAuditEvents(db).appendIn(tx, [entry]);
    return true;
  });
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
