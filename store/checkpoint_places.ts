import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";

/** What a replica asks to push next. */
export interface PlaceClaimOrder {
  readonly place: string;
  readonly replicaId: string;
  readonly logOrigin: string;
  readonly intervalSeconds: number;
  /** Chains that were last asked about before this time, epoch seconds, are claimed whatever they have. */
  readonly askSince: number;
  readonly most: number;
  /** For so long no other replica gets them. */
  readonly claimSeconds: number;
}

/** A chain to push. `heldSize` is the largest checkpoint that the place has taken. */
export interface ClaimedChain {
  readonly chain: string;
  readonly heldSize: number | undefined;
  /** In a row, before this claim. */
  readonly failures: number;
}

/** A place holds a checkpoint of ours that the log does not continue. */
export interface PlaceConflict {
  readonly code: "rolled_back" | "forked";
  readonly size: number;
}

export interface PlaceFailure {
  readonly replicaId: string;
  /** At most 300 characters are kept. */
  readonly error: string;
  readonly retrySeconds: number;
  readonly conflict?: PlaceConflict | undefined;
}

/** One place and one chain, as operators see it. Times are epoch seconds. */
export interface PlaceState {
  readonly place: string;
  readonly size: number | undefined;
  readonly pushedAt: number | undefined;
  readonly failures: number;
  readonly lastError: string | undefined;
  readonly failedAt: number | undefined;
  readonly conflict: PlaceConflict | undefined;
}

/** The table `checkpoint_places`. Times are those of the database, the only clock that all replicas share. */
export interface CheckpointPlacesTable {
  now(): Promise<number>;
  claim(order: PlaceClaimOrder): Promise<ClaimedChain[]>;
  taken(place: string, chain: string, size: number): Promise<void>;
  failed(place: string, chain: string, failure: PlaceFailure): Promise<void>;
  /** What the places that are named hold of the log `origin` against its continuation; the largest first. */
  conflict(chain: string, origin: string, places: readonly string[]): Promise<PlaceConflict | undefined>;
  states(chain: string): Promise<PlaceState[]>;
  /** By place: for how long the oldest checkpoint that it does not have has been there, of all chains, in seconds. */
  waiting(places: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** When the oldest checkpoint of more than `size` events was signed, epoch seconds; `undefined`: there is none. */
  signedAfter(chain: string, size: number | undefined): Promise<number | undefined>;
}

interface Stored {
  readonly place: string;
  readonly size: string | null;
  readonly pushed_at: number | null;
  readonly failures: number;
  readonly last_error: string | null;
  readonly failed_at: number | null;
  readonly conflict: PlaceConflict["code"] | null;
  readonly conflict_size: string | null;
}

export function createCheckpointPlacesTable(database: Database): CheckpointPlacesTable {
  return { ...placeWrites(database), ...placeReads(database) };
}

function placeWrites({ sql }: Database) {
  return {
    async now() {
      const [row] = await sql<{ now: number }[]>`SELECT extract(epoch FROM clock_timestamp())::float8 AS now`;
      return row?.now ?? 0;
    },
    async claim(order: PlaceClaimOrder) {
      const rows = await sql<{ claimed_chain: string; held_size: string | null; failed_before: number }[]>`
        SELECT claimed_chain, held_size, failed_before FROM checkpoint_place_claim(
          ${order.place}, ${order.replicaId}, ${order.logOrigin}, ${order.intervalSeconds},
          to_timestamp(${order.askSince}::float8), ${order.most}, ${order.claimSeconds}
        )`;
      return rows.map(({ claimed_chain: chain, held_size: size, failed_before: failures }) => ({
        ...{ chain, failures, heldSize: size === null ? undefined : safeInteger(size) },
      }));
    },
    async taken(place: string, chain: string, size: number) {
      await sql`SELECT checkpoint_place_taken(${place}, ${chain}, ${size})`;
    },
    async failed(place: string, chain: string, failure: PlaceFailure) {
      const { replicaId, error, retrySeconds, conflict } = failure;
      await sql`
        SELECT checkpoint_place_failed(
          ${place}, ${chain}, ${replicaId}, ${error}, ${retrySeconds}, ${conflict?.code ?? null},
          ${conflict?.size ?? null}
        )`;
    },
  };
}

function placeReads({ read, readEverybody }: Database) {
  return {
    async conflict(chain: string, origin: string, places: readonly string[]) {
      const [row] = await read(
        chain,
        (sql) =>
          sql<{ conflict: PlaceConflict["code"]; conflict_size: string }[]>`
        SELECT conflict, conflict_size FROM checkpoint_places
        WHERE chain = ${chain} AND origin = ${origin} AND place = ANY (${[
            ...places,
          ]}::text[]) AND conflict IS NOT NULL
        ORDER BY conflict_size DESC, place LIMIT 1`,
      );
      return row === undefined ? undefined : { code: row.conflict, size: safeInteger(row.conflict_size) };
    },
    async states(chain: string) {
      const rows = await read(chain, (sql) =>
        sql<Stored[]>`
        SELECT place, size, failures, last_error, conflict, conflict_size,
          extract(epoch FROM pushed_at)::float8 AS pushed_at, extract(epoch FROM failed_at)::float8 AS failed_at
        FROM checkpoint_places WHERE chain = ${chain} ORDER BY place`);
      return rows.map(toState);
    },
    async waiting(places: readonly string[]) {
      const rows = await readEverybody((sql) =>
        sql<{ place: string; age: number }[]>`
        SELECT place.name AS place, extract(epoch FROM clock_timestamp() - min(missing.signed_at))::float8 AS age
        FROM unnest(${[...places]}::text[]) AS place (name)
        CROSS JOIN audit_heads h
        LEFT JOIN checkpoint_places p ON p.place = place.name AND p.chain = h.chain
        CROSS JOIN LATERAL (
          SELECT c.signed_at FROM audit_checkpoints c
          WHERE c.chain = h.chain AND c.size > coalesce(p.size, -1) ORDER BY c.size LIMIT 1
        ) missing
        GROUP BY place.name`
      );
      return new Map(rows.map(({ place, age }) => [place, age]));
    },
    async signedAfter(chain: string, size: number | undefined) {
      const [row] = await read(chain, (sql) =>
        sql<{ at: number }[]>`
        SELECT extract(epoch FROM signed_at)::float8 AS at FROM audit_checkpoints
        WHERE chain = ${chain} AND size > ${size ?? -1} ORDER BY size LIMIT 1`);
      return row?.at;
    },
  };
}

function toState(row: Stored): PlaceState {
  return {
    ...{ place: row.place, failures: row.failures },
    size: row.size === null ? undefined : safeInteger(row.size),
    pushedAt: row.pushed_at ?? undefined,
    lastError: row.last_error ?? undefined,
    failedAt: row.failed_at ?? undefined,
    conflict: row.conflict === null
      ? undefined
      : { code: row.conflict, size: safeInteger(row.conflict_size ?? "0") },
  };
}
