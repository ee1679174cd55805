import type { Database } from "./database.ts";

/** One process that serves, as it described itself. Times are epoch seconds. */
export interface ReplicaRow {
  readonly replicaId: string;
  readonly startedAt: number;
  readonly leaseUntil: number;
  readonly version: string;
  readonly configDigest: string;
}

export interface RegisterReplica {
  readonly version: string;
  readonly configDigest: string;
  readonly leaseSeconds: number;
}

/** The table `replicas`. Leases are measured by the clock of the database, the only one that all replicas share. */
export interface ReplicasTable {
  register(replicaId: string, replica: RegisterReplica): Promise<void>;
  /** False when the replica is no longer listed: others took it for dead. */
  renew(replicaId: string, leaseSeconds: number): Promise<boolean>;
  /** Ends the lease of every other replica; for the embedded database, which one process uses at a time. */
  endAllExcept(replicaId: string): Promise<void>;
  expired(): Promise<string[]>;
  /** Removes it, unless outcomes of its calls are still to be written. */
  remove(replicaId: string): Promise<void>;
  list(): Promise<ReplicaRow[]>;
}

interface Stored {
  readonly replica_id: string;
  readonly started_at: number;
  readonly lease_until: number;
  readonly version: string;
  readonly config_digest: string;
}

export function createReplicas(database: Database): ReplicasTable {
  const { sql } = database;
  return {
    register: async (replicaId, { version, configDigest, leaseSeconds }) => {
      await sql`SELECT replica_register(${replicaId}, ${version}, ${configDigest}, ${leaseSeconds})`;
    },
    renew: async (replicaId, leaseSeconds) => {
      const [row] = await sql<{ renewed: boolean }[]>`
        SELECT replica_renew(${replicaId}, ${leaseSeconds}) AS renewed`;
      return row?.renewed === true;
    },
    endAllExcept: async (replicaId) => {
      // No function: the run-time role of a server must not end the leases of others.
      await sql`
        UPDATE replicas SET lease_until = least(lease_until, clock_timestamp()) WHERE replica_id <> ${replicaId}`;
    },
    expired: async () => {
      const rows = await sql<{ replica_id: string }[]>`
        SELECT replica_id FROM replicas WHERE lease_until <= clock_timestamp() ORDER BY replica_id`;
      return rows.map((row) => row.replica_id);
    },
    remove: async (replicaId) => void await sql`SELECT replica_remove(${replicaId})`,
    list: async () => {
      const rows = await sql<Stored[]>`
        SELECT replica_id, extract(epoch FROM started_at)::float8 AS started_at,
          extract(epoch FROM lease_until)::float8 AS lease_until, version, config_digest
        FROM replicas ORDER BY replica_id`;
      return rows.map(toRow);
    },
  };
}

function toRow(stored: Stored): ReplicaRow {
  return {
    replicaId: stored.replica_id,
    startedAt: stored.started_at,
    leaseUntil: stored.lease_until,
    version: stored.version,
    configDigest: stored.config_digest,
  };
}
