/** Compares the key ring with what the database knows of the other replicas' keys, before anything is served. */
import { GatewayError } from "../core/errors.ts";
import type { KeyRing } from "../core/key_ring.ts";
import { fingerprintsOf, withoutKeys } from "../core/key_rotation.ts";
import type { Tx } from "../core/tx.ts";
import type { Log } from "../telemetry/log.ts";

/** What the database knows of one key. */
export interface KnownKey {
  readonly kid: string;
  readonly fingerprint: string;
  readonly activatedAt: number | undefined;
  readonly retiredAt: number | undefined;
}

/** The fingerprints of all replicas; `store/key_fingerprints.ts` fits. */
export interface KeyRegister {
  register(tx: Tx, fingerprints: ReadonlyMap<string, string>): Promise<readonly KnownKey[]>;
  activate(tx: Tx, kid: string): Promise<void>;
}

/**
 * Adds the ring's new keys to the register and returns the ring without its retired keys. Throws, and leaves the register as
 * it was, when the ring lacks a key that is or was active somewhere and not retired, or has another key under a known id.
 */
export async function checkKeys(
  store: {
    readonly keys: KeyRegister;
    readonly db: { transact<T>(work: (tx: Tx) => Promise<T>): Promise<T> };
  },
  ring: KeyRing,
  log: Log,
): Promise<KeyRing> {
  const ours = await fingerprintsOf(ring);
  return await store.db.transact(async (tx) => {
    const known = await store.keys.register(tx, ours);
    for (const key of known) refuseOther(key, ours.get(key.kid));
    const retired = known.filter(({ kid, retiredAt }) => retiredAt !== undefined && ring.keys.has(kid));
    const working = withoutKeys(ring, new Set(retired.map(({ kid }) => kid)));
    await store.keys.activate(tx, ring.active);
    for (const { kid } of retired) {
      log("warn", "The key ring holds a retired key, which is not used: remove it", { kid });
    }
    return working;
  });
}

function refuseOther({ kid, fingerprint, activatedAt, retiredAt }: KnownKey, ours: string | undefined): void {
  if (retiredAt !== undefined || fingerprint === ours) return;
  if (ours !== undefined) {
    throw unusable(
      `its key "${kid}" has the fingerprint "${ours}", replicas of this database use "${fingerprint}"`,
    );
  }
  if (activatedAt === undefined) return; // only added elsewhere so far: no token needs it
  throw unusable(
    `it lacks the key "${kid}" with the fingerprint "${fingerprint}", which replicas of this database use; ` +
      `add it, or end its tokens with "intentgate keys retire ${kid}"`,
  );
}

function unusable(problem: string): GatewayError {
  return new GatewayError("key_unusable", `Cannot use the key ring: ${problem}`);
}
