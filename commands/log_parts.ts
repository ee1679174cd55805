/** Joins keys, store and second place into what signs the chains' checkpoints. */
import { Buffer } from "node:buffer";
import { createPublicKey, type KeyObject } from "node:crypto";
import { originOf } from "../audit/checkpoint.ts";
import type { LogSignerOptions } from "../audit/log_signer.ts";
import { createLogSigning, type LogSigning } from "../audit/log_signing.ts";
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
  const signer: LogSignerOptions = {
    store: {
      ...store.chain,
      chains: () => store.db.deadline(store.audit.chains()),
      addTiles: (chain, tiles) => store.db.deadline(store.auditTree.addTiles(chain, tiles)),
      addCheckpoint: (chain, checkpoint) =>
        store.db.deadline(store.auditTree.addCheckpoint(chain, checkpoint)),
    },
    secondPlace: fileSecondPlace(`${config.data_dir}/checkpoints`),
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
    onError: (chain, error) => log("error", "Cannot sign a checkpoint", { chain, error: errorText(error) }),
  });
  const publicKeys = keys.map((key) => Buffer.from(rawPublicKey(key)).toString("base64"));
  return { signing, places, originOf: (chain) => originOf(logOrigin, chain), verifierKeys, publicKeys };
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return new Uint8Array(createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32));
}
