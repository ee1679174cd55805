/** Opens the database and joins the store's table groups into what the rest asks for. */
import type { SweeperStore } from "../audit/sweeper.ts";
import type { AuditReader } from "../admin/audit.ts";
import type { RevocationSource } from "../checks/revocation_feed.ts";
import type { RelayStore } from "../mcp/replica_relay/replica_relay.ts";
import type { AppendResult, AuditEntry } from "../core/audit_entry.ts";
import { createAuditActions } from "../store/audit_actions.ts";
import { createAuditErasures } from "../store/audit_erasures.ts";
import { type AuditEvents, createAuditEvents } from "../store/audit_events.ts";
import { type AuditPrunes, createAuditPrunes } from "../store/audit_prunes.ts";
import { createAuditSearch } from "../store/audit_search.ts";
import { type AuditTree, createAuditTree } from "../store/audit_tree.ts";
import { createAuditValues } from "../store/audit_values.ts";
import { createCheckpointPlacesTable } from "../store/checkpoint_places.ts";
import { type Database, openDatabase } from "../store/database.ts";
import { createIdempotency } from "../store/idempotency.ts";
import { createInstallation } from "../store/installation.ts";
import { createKeyFingerprints } from "../store/key_fingerprints.ts";
import { createKillSwitches } from "../store/kill_switches.ts";
import { migrate } from "../store/migration_runner.ts";
import { createLinkMessages, LINKS_CHANNEL } from "../store/link_messages.ts";
import { createOperators } from "../store/operators.ts";
import { createReplicas, type ReplicasTable } from "../store/replicas.ts";
import { createRevocationFeedTable, REVOCATIONS_CHANNEL } from "../store/revocation_feed.ts";
import { createRevocations } from "../store/revocations.ts";
import { readSettingsVersion, SETTINGS_CHANNEL } from "../store/settings.ts";
import { createTenants } from "../store/tenants.ts";
import { createTokens } from "../store/tokens.ts";
import { createToolPinsTable } from "../store/tool_pins.ts";
import type { Configuration } from "./configuration.ts";
import { configuredHardening, provenHardening } from "./database_roles.ts";
import { followKeptValues } from "./kept_values_feed.ts";
import type { LeaseStore } from "./replica_lease.ts";
import { createSettingsFeed } from "./settings_feed.ts";

/** Expired idempotency keys that one sweep removes; the next comes a few seconds later. */
const PRUNED_AT_ONCE = 1_000;
/** Bodies of pruned events that one statement removes. */
export const BODIES_AT_ONCE = 5_000;

/** Opens the configured database, or the embedded one in the data folder. */
export async function openConfigured(
  configuration: Configuration,
  onNotice?: (message: string) => void,
): Promise<Database> {
  const { config, databaseUrl } = configuration;
  configuredHardening(configuration); // never the embedded database because one of two URLs was forgotten
  return await openDatabase({
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...{ dataDir: config.data_dir, timeoutMs: config.database_timeout_ms },
    ...(onNotice === undefined ? {} : { onNotice }),
  });
}

export type StoreParts = Awaited<ReturnType<typeof buildStoreParts>>;

/** Brings the schema up to date and hands out the table groups, each query with a deadline. */
export async function buildStoreParts(configuration: Configuration, db: Database) {
  const migrated = await migrate(db); // with a role of its own for that, only the proof that it was done
  const hardening = await provenHardening(configuration, db);
  const installation = await createInstallation(db).readInstallation();
  const audit = createAuditEvents(db);
  const auditTree = createAuditTree(db);
  const auditSearch = createAuditSearch(db);
  const auditPrunes = createAuditPrunes(db);
  const auditValues = createAuditValues(db);
  const privateOf: AuditReader["privateOf"] = (chain, seqs) => db.deadline(auditValues.read(chain, seqs));
  const replicas = createReplicas(db);
  const tenants = createTenants(db);
  const tokens = createTokens(db);
  const operators = createOperators(db);
  const idempotency = createIdempotency(db);
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
    removeExpired: async () => {
      await db.deadline(audit.removeExpiredCounters());
      await db.deadline(idempotency.prune(PRUNED_AT_ONCE));
      await db.deadline(auditPrunes.removeBodies(BODIES_AT_ONCE));
    },
    openDecisions: (replicaId, afterId, limit) => db.deadline(audit.openDecisions(replicaId, afterId, limit)),
  };
  return {
    lease: leaseStore(db, replicas),
    ...{ db, migrated, hardening, audit, replicas, tenants },
    ...{ tokens, operators, idempotency, settings, sweeping },
    ...{ auditTree, auditPrunes, auditActions: createAuditActions(db), auditValues },
    auditErasures: createAuditErasures(db),
    auditSearch,
    checkpointPlaces: createCheckpointPlacesTable(db),
    toolPins: createToolPinsTable(db),
    linkMessages: linkMessages(db),
    // The database's own metrics tell when that cannot be read; it is read again until it was.
    keeps: await followKeptValues(settings, () => db.deadline(tenants.recordValues()), () => {}),
    logId: installation.logId,
    revocations: revocationSource(db),
    revocationRows: createRevocations(db),
    killSwitches: createKillSwitches(db),
    keys: createKeyFingerprints(db),
    appendEvents: (entries: readonly AuditEntry[]): Promise<readonly AppendResult[]> =>
      db.deadline(audit.append(entries)),
    chain: {
      ...chainReader(db, audit, auditTree, auditPrunes),
      ...{ privateOf, oldest: (...asked) => db.deadline(auditSearch.oldest(...asked)) },
    } satisfies AuditReader,
  };
}

function linkMessages(db: Database): RelayStore {
  const table = createLinkMessages(db);
  return {
    send: (tenant, receiver, exchange, sealed) => db.deadline(table.send(tenant, receiver, exchange, sealed)),
    take: (receiver, most) => db.deadline(table.take(receiver, most)),
    withdraw: (message) => db.deadline(table.withdraw(message)),
    prune: (most) => db.deadline(table.prune(most)),
    isAlive: (replicaId) => db.deadline(table.isAlive(replicaId)),
    listen: (onFrame, onListening) => db.listen(LINKS_CHANNEL, onFrame, onListening),
  };
}

function chainReader(
  db: Database,
  audit: AuditEvents,
  tree: AuditTree,
  prunes: AuditPrunes,
): Omit<AuditReader, "privateOf" | "oldest"> {
  return {
    pruned: (chain) => db.deadline(prunes.pruned(chain)),
    strandedSalt: (chain, to) => db.deadline(prunes.strandedSalt(chain, to)),
    head: (chain) => db.deadline(audit.head(chain)),
    read: (chain, afterSeq, limit) => db.deadline(audit.read(chain, afterSeq, limit)),
    stillOpen: (chain, decisionIds) => db.deadline(audit.stillOpen(chain, decisionIds)),
    latestCheckpoint: (chain) => db.deadline(tree.latestCheckpoint(chain)),
    checkpointUpTo: (chain, size) => db.deadline(tree.checkpointUpTo(chain, size)),
    latestCosigned: (chain, witnesses) => db.deadline(tree.latestCosigned(chain, witnesses)),
    cosignatures: (chain, size) => db.deadline(tree.cosignatures(chain, size)),
    appendedAt: (chain, seq) => db.deadline(tree.appendedAt(chain, seq)),
    fullTile: (chain, level, index) => db.deadline(tree.fullTile(chain, level, index)),
    tileRoots: (chain, level, from, to) => db.deadline(tree.tileRoots(chain, level, from, to)),
    entries: (chain, from, to) => db.deadline(tree.entries(chain, from, to)),
  };
}

function revocationSource(db: Database): RevocationSource {
  const feed = createRevocationFeedTable(db);
  return {
    readCounter: () => db.deadline(feed.readCounter()),
    readAfter: (number, limit) => db.deadline(feed.readAfter(number, limit)),
    listen: (onChange) => db.listen(REVOCATIONS_CHANNEL, onChange, onChange),
  };
}

function leaseStore(db: Database, replicas: ReplicasTable): LeaseStore {
  return {
    register: (replicaId, replica) => db.deadline(replicas.register(replicaId, replica)),
    renew: (replicaId, leaseSeconds) => db.deadline(replicas.renew(replicaId, leaseSeconds)),
    remove: (replicaId) => db.deadline(replicas.remove(replicaId)),
  };
}
