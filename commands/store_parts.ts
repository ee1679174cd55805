/** Opens the database and joins the store's table groups into what the rest asks for. */
import type { SweeperStore } from "../audit/sweeper.ts";
import type { RevocationSource } from "../checks/revocation_feed.ts";
import type { AppendResult, AuditEntry } from "../core/audit_entry.ts";
import { createAuditEvents } from "../store/audit_events.ts";
import { type Database, openDatabase } from "../store/database.ts";
import { createInstallation } from "../store/installation.ts";
import { createKeyFingerprints } from "../store/key_fingerprints.ts";
import { createKillSwitches } from "../store/kill_switches.ts";
import { migrate } from "../store/migration_runner.ts";
import { createOperators } from "../store/operators.ts";
import { createReplicas } from "../store/replicas.ts";
import { createRevocationFeedTable, REVOCATIONS_CHANNEL } from "../store/revocation_feed.ts";
import { createRevocations } from "../store/revocations.ts";
import { readSettingsVersion, SETTINGS_CHANNEL } from "../store/settings.ts";
import { createTenants } from "../store/tenants.ts";
import { createTokens } from "../store/tokens.ts";
import type { Configuration } from "./configuration.ts";
import type { LeaseStore } from "./replica_lease.ts";
import { createSettingsFeed } from "./settings_feed.ts";

/** Opens the configured database, or the embedded one in the data folder. */
export function openConfigured(
  configuration: Configuration,
  onNotice?: (message: string) => void,
): Promise<Database> {
  const { config, databaseUrl } = configuration;
  return openDatabase({
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...{ dataDir: config.data_dir, timeoutMs: config.database_timeout_ms },
    ...(onNotice === undefined ? {} : { onNotice }),
  });
}

export type StoreParts = Awaited<ReturnType<typeof buildStoreParts>>;

/** Brings the schema up to date and hands out the table groups, each query with a deadline. */
export async function buildStoreParts(db: Database) {
  const migrated = await migrate(db);
  const installation = await createInstallation(db).readInstallation();
  const audit = createAuditEvents(db);
  const feed = createRevocationFeedTable(db);
  const replicas = createReplicas(db);
  const tenants = createTenants(db);
  const tokens = createTokens(db);
  const operators = createOperators(db);
  const source: RevocationSource = {
    readCounter: () => db.deadline(feed.readCounter()),
    readAfter: (number, limit) => db.deadline(feed.readAfter(number, limit)),
    listen: (onChange) => db.listen(REVOCATIONS_CHANNEL, onChange, onChange),
  };
  const settings = createSettingsFeed({
    version: installation.settingsVersion,
    source: {
      readVersion: () => db.deadline(readSettingsVersion(db)),
      listen: (onChange) => db.listen(SETTINGS_CHANNEL, onChange, onChange),
    },
  });
  const sweeping: SweeperStore = {
    expiredReplicas: () => db.deadline(replicas.expired()),
    removeReplica: async (replicaId) => void await db.deadline(replicas.remove(replicaId)),
    removeExpired: () => db.deadline(audit.removeExpiredCounters()),
    openDecisions: (replicaId, limit) => db.deadline(audit.openDecisions(replicaId, limit)),
  };
  const lease: LeaseStore = {
    register: (replicaId, replica) => db.deadline(replicas.register(replicaId, replica)),
    renew: (replicaId, leaseSeconds) => db.deadline(replicas.renew(replicaId, leaseSeconds)),
    remove: (replicaId) => db.deadline(replicas.remove(replicaId)),
  };
  return {
    lease,
    ...{ db, migrated, audit, replicas, tenants, tokens, operators, settings, sweeping },
    logId: installation.logId,
    revocations: source,
    revocationRows: createRevocations(),
    killSwitches: createKillSwitches(db),
    keys: createKeyFingerprints(db),
    appendEvents: (entries: readonly AuditEntry[]): Promise<readonly AppendResult[]> =>
      db.deadline(audit.append(entries)),
    chain: {
      head: (chain: string) => db.deadline(audit.head(chain)),
      read: (chain: string, afterSeq: number, limit: number) =>
        db.deadline(audit.read(chain, afterSeq, limit)),
    },
  };
}
