/** One process is one replica with a lease: when it is not renewed, others write the outcomes that this one owes. */
import { GatewayError } from "../core/errors.ts";

export interface LeaseStore {
  register(
    replicaId: string,
    what: { readonly version: string; readonly configDigest: string; readonly leaseSeconds: number },
  ): Promise<unknown>;
  renew(replicaId: string, leaseSeconds: number): Promise<boolean>;
  remove(replicaId: string): Promise<unknown>;
}

export interface ReplicaLease {
  /** Throws when the lease has run out. */
  probe(): void;
  /** Time until the lease runs out; negative when it has. */
  remainingMs(): number;
  /** Stops renewing; removes the replica when it owes nothing. */
  close(owesNothing: boolean): Promise<void>;
}

export interface ReplicaLeaseOptions {
  readonly store: LeaseStore;
  readonly replicaId: string;
  readonly version: string;
  readonly configDigest: string;
  readonly leaseSeconds?: number;
  readonly nowMs: () => number;
  readonly onError: (error: unknown) => void;
}

/** Registers this replica and keeps its lease. */
export async function holdLease(options: ReplicaLeaseOptions): Promise<ReplicaLease> {
  const { store, replicaId, version, configDigest, leaseSeconds = 15, nowMs } = options;
  const register = () => store.register(replicaId, { version, configDigest, leaseSeconds });
  await register();
  let heldUntilMs = nowMs() + leaseSeconds * 1000;
  const timer = setInterval(async () => {
    try {
      const askedMs = nowMs();
      if (!await store.renew(replicaId, leaseSeconds)) await register();
      heldUntilMs = askedMs + leaseSeconds * 1000;
    } catch (error) {
      options.onError(error);
    }
  }, leaseSeconds * 1000 / 3);
  return {
    probe: () => {
      if (nowMs() > heldUntilMs) {
        throw new GatewayError("database_unavailable", "The replica's lease has run out");
      }
    },
    remainingMs: () => heldUntilMs - nowMs(),
    close: async (owesNothing) => {
      clearInterval(timer);
      if (owesNothing) await store.remove(replicaId);
    },
  };
}
