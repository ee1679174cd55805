/** Joins keys, store and second place into what signs the chains' checkpoints. */
import { Buffer } from "node:buffer";
import { createPublicKey, type KeyObject } from "node:crypto";
import { chainOf, originOf } from "../audit/checkpoint.ts";
import type { LogSignerOptions, SignDoubt } from "../audit/log_signer.ts";
import { createLogSigning, type LogSigning } from "../audit/log_signing.ts";
import type { HeldElsewhere } from "../audit/signed_points.ts";
import { ed25519Signer, formatVerifierKey, parseVerifierKey } from "../audit/signed_note.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { AuditParts } from "./audit_parts.ts";
import { readCheckpointKeys } from "./checkpoint_keys.ts";
import type { Configuration } from "./configuration.ts";
import { buildPlaceParts, type PlaceParts } from "./place_parts.ts";
import { newId } from "./random.ts";
import { fileSecondPlace } from "./second_place.ts";
import type { StoreParts } from "./store_parts.ts";

export interface LogParts {
  readonly signing: LogSigning;
  /** Where checkpoints are pushed. */
  readonly places: PlaceParts;
  originOf(chain: string): string;
  /** Chains that there must be: those of the database, and those of which the second place keeps a checkpoint. */
  chains(): Promise<readonly string[]>;
  /** What is kept of a chain besides the database. */
  heldElsewhere(chain: string): Promise<HeldElsewhere>;
  /** Verifier keys of a log, the active one first, as lines. */
  verifierKeys(origin: string): readonly string[];
  /** The public halves of the keys themselves in the same order, 32 bytes each in base64. */
  readonly publicKeys: readonly string[];
}

export interface LogPartsOptions {
  readonly configuration: Configuration;
  readonly store: StoreParts;
  readonly audit: AuditParts;
  readonly metrics: Metrics;
  readonly log: Log;
}

const DOUBTS: Readonly<Record<SignDoubt, string>> = {
  second_place_empty: "The second place knows no checkpoint of chains that have some",
  checkpoints_missing: "The database has no checkpoint of chains that were signed",
};
/** Chains that one such line names. */
const DOUBTED_NAMED = 5;

/** Builds it; nothing is signed until it is started. */
export async function buildLogParts(options: LogPartsOptions): Promise<LogParts> {
  const { configuration: { config, checkpointKeysText }, store, audit, log } = options;
  const keys = await readCheckpointKeys(config.data_dir, checkpointKeysText);
  for (const key of keys) await store.db.deadline(store.auditTree.addPublicKey(rawPublicKey(key)));
  const logOrigin = config.log_origin ?? `intentgate/${store.logId}`;
  const verifierKeys = (origin: string) => keys.map((key) => formatVerifierKey(origin, key));
  const verifiersOf = (origin: string) => verifierKeys(origin).map(parseVerifierKey);
  const places = buildPlaceParts({
    ...{ configuration: options.configuration, store, logOrigin, verifiersOf },
    ...{ replicaId: audit.source.replicaId, metrics: options.metrics, log },
  });
  const secondPlace = fileSecondPlace(`${config.data_dir}/checkpoints`);
  const chains = async () => {
    const kept = (await secondPlace.origins()).flatMap((origin) => chainOf(logOrigin, origin) ?? []);
    return [...new Set([...await store.db.deadline(store.audit.chains()), ...kept])];
  };
  const signer: LogSignerOptions = {
    store: {
      ...{ ...store.chain, chains },
      addTiles: (chain, tiles) => store.db.deadline(store.auditTree.addTiles(chain, tiles)),
      addCheckpoint: (chain, checkpoint) =>
        store.db.deadline(store.auditTree.addCheckpoint(chain, checkpoint)),
    },
    ...{ secondPlace },
    heldOutside: places.heldOutside,
    logOrigin,
    signersOf: (origin) => keys.map((key) => ed25519Signer(origin, key)),
    verifiersOf,
  };
  const signing = createLogSigning({
    ...{ signer, source: audit.source, newId, nowMs: () => Date.now() },
    intervalMs: config.checkpoint_interval_seconds * 1000,
    heartbeatMs: config.heartbeat_seconds * 1000,
    settingsVersion: () => store.settings.version(),
    append: (entry) => audit.appender.append(entry).done,
    onSigned: () => places.wake(),
    onRefused: ({ chain, code, signedSize, size }) => {
      options.metrics.checkpointRefusal(code);
      log("error", "A checkpoint was not signed", { chain, code, signed_size: signedSize, size });
    },
    onDoubted: (doubt, chains) =>
      log("warn", DOUBTS[doubt], { chains: chains.length, first: chains.slice(0, DOUBTED_NAMED) }),
    onError: (chain, error) => log("error", "Cannot sign a checkpoint", { chain, error: errorText(error) }),
  });
  const publicKeys = keys.map((key) => Buffer.from(rawPublicKey(key)).toString("base64"));
  return {
    ...{ signing, places, chains, verifierKeys, publicKeys },
    originOf: (chain) => originOf(logOrigin, chain),
    heldElsewhere: async (chain) => {
      const origin = originOf(logOrigin, chain);
      const conflict = await places.heldOutside(chain, origin);
      return { note: await secondPlace.read(origin), conflict };
    },
  };
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return new Uint8Array(createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32));
}
