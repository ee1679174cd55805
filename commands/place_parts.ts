/** Joins the configured checkpoint places with store, metrics and log. */
import { filePlace } from "../audit/places/file_place.ts";
import type { CheckpointPlace, PlaceConflict } from "../audit/places/place.ts";
import {
  createPlacePusher,
  type PlacePusher,
  type PushOutcome,
  type PushStore,
} from "../audit/places/place_pusher.ts";
import { s3Place } from "../audit/places/s3_place.ts";
import { webhookPlace } from "../audit/places/webhook_place.ts";
import { witnessPlace } from "../audit/places/witness_place.ts";
import { NoteError, type NoteVerifier } from "../audit/signed_note.ts";
import type { TreeStore } from "../audit/tiles.ts";
import type { CheckpointPlaceConfig } from "../core/checkpoint_places.ts";
import { GatewayError } from "../core/errors.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Configuration } from "./configuration.ts";
import { newId } from "./random.ts";
import type { StoreParts } from "./store_parts.ts";

/** How often it is measured for how long places have been waiting. */
const MEASURE_INTERVAL_MS = 15_000;

export interface PlaceParts {
  start(): void;
  /** A checkpoint was signed. */
  wake(): void;
  /** What a configured place holds against the log's continuation. */
  heldOutside(chain: string, origin: string): Promise<PlaceConflict | undefined>;
  /** By place: for how long it has been without a checkpoint that it should have, in seconds. */
  lagSeconds(): ReadonlyMap<string, number>;
  close(): Promise<void>;
}

export interface PlacePartsOptions {
  readonly configuration: Configuration;
  readonly store: StoreParts;
  readonly replicaId: string;
  readonly logOrigin: string;
  readonly verifiersOf: (origin: string) => readonly NoteVerifier[];
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Builds them; nothing is pushed until they are started. */
export function buildPlaceParts(options: PlacePartsOptions): PlaceParts {
  const { configuration, store, metrics, log } = options;
  const places = buildPlaces(configuration, { tree: store.chain, verifiersOf: options.verifiersOf });
  const pushers = places.map((place) => pusherOf(place, options));
  const names = places.map(({ name }) => name);
  for (const name of names) metrics.checkpointPlace(name);
  const lag = measureLag(places, store);
  return {
    start: () => {
      for (const pusher of pushers) pusher.start();
      if (names.length > 0) log("info", "Checkpoints are pushed", { places: names });
      lag.start();
    },
    wake: () => pushers.forEach((pusher) => pusher.wake()),
    heldOutside: async (chain, origin) =>
      names.length === 0
        ? undefined
        : await store.db.deadline(store.checkpointPlaces.conflict(chain, origin, names)),
    lagSeconds: lag.seconds,
    close: async () => {
      lag.close();
      await Promise.all(pushers.map((pusher) => pusher.close()));
    },
  };
}

/** The places of a configuration; throws `GatewayError` for one that cannot be used. */
export function buildPlaces(
  { config, placeSecrets: { s3, webhooks } }: Configuration,
  { tree, verifiersOf }: {
    readonly tree: TreeStore;
    readonly verifiersOf: (origin: string) => readonly NoteVerifier[];
  },
): readonly CheckpointPlace[] {
  const nowMs = () => Date.now();
  const build = (place: CheckpointPlaceConfig): CheckpointPlace => {
    switch (place.type) {
      case "witness":
        return witnessPlace(place, { tree, nowMs });
      case "s3":
        return s3Place(place, { secrets: s3.get(place.name)!, tree, verifiersOf, nowMs });
      case "webhook":
        return webhookPlace(place, { secret: webhooks.get(place.name)!, nowMs });
      case "file":
        return filePlace(place, { tree, verifiersOf, newId });
    }
  };
  return config.checkpoint_places.map((place) => {
    try {
      return build(place);
    } catch (error) {
      if (!(error instanceof NoteError)) throw error;
      throw new GatewayError(
        "config_invalid",
        `Cannot use checkpoint place "${place.name}": ${error.message}`,
      );
    }
  });
}

/** Verifier keys of the configured witnesses, as lines. */
export function witnessKeysOf({ config }: Configuration): readonly string[] {
  return config.checkpoint_places.flatMap((place) => place.type === "witness" ? [place.public_key] : []);
}

function pusherOf(place: CheckpointPlace, options: PlacePartsOptions): PlacePusher {
  const { store, replicaId, logOrigin, log } = options;
  return createPlacePusher({
    ...{ place, replicaId, logOrigin, store: pushStore(store), random: Math.random },
    onOutcome: (outcome) => tell(place.name, outcome, options),
    onError: (error) =>
      log("error", "Cannot push checkpoints", { place: place.name, error: errorText(error) }),
  });
}

function pushStore({ db, checkpointPlaces, auditTree, chain }: StoreParts): PushStore {
  return {
    now: () => db.deadline(checkpointPlaces.now()),
    claim: (order) => db.deadline(checkpointPlaces.claim(order)),
    taken: (place, name, size) => db.deadline(checkpointPlaces.taken(place, name, size)),
    failed: (place, name, failure) => db.deadline(checkpointPlaces.failed(place, name, failure)),
    latestCheckpoint: (name) => chain.latestCheckpoint(name),
    addCosignature: (name, size, witness, line) =>
      db.deadline(auditTree.addCosignature(name, size, witness, line)),
  };
}

/** A place that is down for a day shall not fill the log: the 1st, 10th, 100th failure of a chain in a row is told. */
function tell(place: string, outcome: PushOutcome, { metrics, log }: PlacePartsOptions): void {
  const { kind, chain } = outcome;
  metrics.checkpointPush(place, kind);
  if (kind === "failed" && /^10*$/.test(String(outcome.failures))) {
    const { error, failures } = outcome;
    log("warn", "A checkpoint place did not take a checkpoint", { place, chain, error, failures });
  } else if (kind === "conflict" && outcome.isNew) {
    const { code, size } = outcome;
    log("error", "A checkpoint place holds what the log does not continue", { place, chain, code, size });
  } else if (kind === "taken" && outcome.failuresBefore > 0) {
    log("info", "A checkpoint place takes checkpoints again", { place, chain, size: outcome.size });
  }
}

/** What a place is still to get for its interval's sake does not count. */
function measureLag(places: readonly CheckpointPlace[], store: StoreParts) {
  let measured: ReadonlyMap<string, number> = new Map(places.map(({ name }) => [name, 0]));
  let timer: ReturnType<typeof setInterval> | undefined;
  const measure = async () => {
    const names = places.map(({ name }) => name);
    const waiting = await store.db.deadline(store.checkpointPlaces.waiting(names));
    measured = new Map(places.map(({ name, intervalSeconds }) => [
      name,
      Math.max(0, (waiting.get(name) ?? 0) - intervalSeconds),
    ]));
  };
  return {
    start: () => {
      // A failure leaves the last figures: the database's own metrics tell.
      if (places.length > 0) timer = setInterval(() => void measure().catch(() => {}), MEASURE_INTERVAL_MS);
    },
    seconds: () => measured,
    close: () => clearInterval(timer),
  };
}
