import { Buffer } from "node:buffer";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";

/** A stored full tile of a chain's Merkle tree. */
export interface TileRow {
  readonly level: number;
  readonly index: number;
  readonly hashes: Uint8Array;
  readonly root: Uint8Array;
}

/** A stored checkpoint. `note` is the signed note without cosignatures; `signedAt` in epoch seconds. */
export interface CheckpointRow {
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
  readonly signedAt: number;
}

export interface NewCheckpoint {
  /** Size of the checkpoint that this one follows, 0 for the first. */
  readonly baseSize: number;
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
}

/** The Merkle tree and the checkpoints of the chains. */
export interface AuditTree {
  fullTile(chain: string, level: number, index: number): Promise<Uint8Array | undefined>;
  /** Roots of the full tiles `from` to `to - 1` of a level, in order. */
  tileRoots(chain: string, level: number, from: number, to: number): Promise<Uint8Array[]>;
  /** Canonical texts of the events `from + 1` to `to`, in order. */
  entries(chain: string, from: number, to: number): Promise<string[]>;
  addTiles(chain: string, tiles: readonly TileRow[]): Promise<void>;
  latestCheckpoint(chain: string): Promise<CheckpointRow | undefined>;
  /** The newest checkpoint that covers at most `size` events. */
  checkpointUpTo(chain: string, size: number): Promise<CheckpointRow | undefined>;
  /** The newest checkpoint under which at least so many witnesses have signed. */
  latestCosigned(chain: string, witnesses: number): Promise<CheckpointRow | undefined>;
  /** False when somebody else has added one meanwhile. */
  addCheckpoint(chain: string, checkpoint: NewCheckpoint): Promise<boolean>;
  addCosignature(chain: string, size: number, witness: string, line: string): Promise<void>;
  /** Signature lines of witnesses, each ending with a line break. */
  cosignatures(chain: string, size: number): Promise<string[]>;
  /** Events of all chains that no checkpoint covers yet, and the age of the oldest. */
  unsigned(): Promise<{ readonly events: number; readonly ageSeconds: number }>;
  /** When an event was appended, epoch seconds. */
  appendedAt(chain: string, seq: number): Promise<number | undefined>;
  /** Raw Ed25519 public keys that have signed here, oldest first. */
  publicKeys(): Promise<Uint8Array[]>;
  /** Remembers a public key; true when it was not known. */
  addPublicKey(key: Uint8Array): Promise<boolean>;
}

/** Array type of bytea is found by postgres.js; without this it would take the array for one bytea. */
const BYTEA = 17;

interface StoredCheckpoint {
  readonly size: string;
  readonly root: Uint8Array;
  readonly note: string;
  readonly signed_at: number;
}

export function createAuditTree(database: Database): AuditTree {
  return {
    ...treeReads(database),
    ...cosignatureReads(database),
    ...treeTotals(database),
    ...treeWrites(database),
  };
}

function treeReads({ read, sql: anySql }: Database) {
  const newest = async (chain: string, size: number) => {
    const [row] = await read(chain, (sql) =>
      sql<StoredCheckpoint[]>`
      SELECT size, root, note, extract(epoch FROM signed_at)::float8 AS signed_at FROM audit_checkpoints
      WHERE chain = ${chain} AND size <= ${size} ORDER BY size DESC LIMIT 1`);
    return row === undefined ? undefined : toCheckpoint(row);
  };
  return {
    latestCheckpoint: (chain: string) => newest(chain, Number.MAX_SAFE_INTEGER),
    checkpointUpTo: newest,
    async fullTile(chain: string, level: number, index: number) {
      const [row] = await read(chain, (sql) =>
        sql<{ hashes: Uint8Array }[]>`
        SELECT hashes FROM audit_tiles WHERE chain = ${chain} AND level = ${level} AND index = ${index}`);
      return row?.hashes;
    },
    async tileRoots(chain: string, level: number, from: number, to: number) {
      const rows = await read(chain, (sql) =>
        sql<{ root: Uint8Array }[]>`
        SELECT root FROM audit_tiles
        WHERE chain = ${chain} AND level = ${level} AND index >= ${from} AND index < ${to} ORDER BY index`);
      return rows.map(({ root }) => root);
    },
    async entries(chain: string, from: number, to: number) {
      const rows = await read(chain, (sql) =>
        sql<{ event: string }[]>`
        SELECT event FROM audit_events WHERE chain = ${chain} AND seq > ${from} AND seq <= ${to} ORDER BY seq`);
      return rows.map(({ event }) => event);
    },
    async appendedAt(chain: string, seq: number) {
      const [row] = await read(chain, (sql) =>
        sql<{ at: number }[]>`
        SELECT extract(epoch FROM appended_at)::float8 AS at FROM audit_events
        WHERE chain = ${chain} AND seq = ${seq}`);
      return row?.at;
    },
    async publicKeys() {
      const rows = await anySql<{ public_key: Uint8Array }[]>`
        SELECT public_key FROM checkpoint_keys ORDER BY first_seen_at, public_key`;
      return rows.map(({ public_key }) => public_key);
    },
  };
}

function cosignatureReads({ read }: Database) {
  return {
    async latestCosigned(chain: string, witnesses: number) {
      const [row] = await read(chain, (sql) =>
        sql<StoredCheckpoint[]>`
        SELECT c.size, c.root, c.note, extract(epoch FROM c.signed_at)::float8 AS signed_at
        FROM audit_checkpoints c
        WHERE c.chain = ${chain} AND c.size = (
          SELECT s.size FROM audit_cosignatures s WHERE s.chain = ${chain}
          GROUP BY s.size HAVING count(*) >= ${witnesses} ORDER BY s.size DESC LIMIT 1
        )`);
      return row === undefined ? undefined : toCheckpoint(row);
    },
    async cosignatures(chain: string, size: number) {
      const rows = await read(chain, (sql) =>
        sql<{ line: string }[]>`
        SELECT line FROM audit_cosignatures WHERE chain = ${chain} AND size = ${size} ORDER BY witness`);
      return rows.map(({ line }) => line);
    },
  };
}

function treeTotals({ readEverybody }: Database) {
  return {
    async unsigned() {
      const [row] = await readEverybody((sql) =>
        sql<{ events: string; age: number | null }[]>`
        SELECT coalesce(sum(h.seq - coalesce(c.size, 0)), 0)::bigint AS events,
          extract(epoch FROM clock_timestamp() - min(e.appended_at))::float8 AS age
        FROM audit_heads h
        LEFT JOIN LATERAL (
          SELECT c.size FROM audit_checkpoints c WHERE c.chain = h.chain ORDER BY c.size DESC LIMIT 1
        ) c ON true
        LEFT JOIN audit_events e ON e.chain = h.chain AND e.seq = coalesce(c.size, 0) + 1`
      );
      return { events: safeInteger(row?.events), ageSeconds: Math.max(0, row?.age ?? 0) };
    },
  };
}

function treeWrites({ sql }: Database) {
  return {
    async addTiles(chain: string, tiles: readonly TileRow[]) {
      if (tiles.length === 0) return;
      await sql`
        SELECT audit_add_tiles(
          ${chain}, ${tiles.map(({ level }) => level)}::int[], ${tiles.map(({ index }) => index)}::bigint[],
          ${sql.array(tiles.map(({ hashes }) => Buffer.from(hashes)), BYTEA)}::bytea[],
          ${sql.array(tiles.map(({ root }) => Buffer.from(root)), BYTEA)}::bytea[]
        )`;
    },
    async addCheckpoint(chain: string, { baseSize, size, root, note }: NewCheckpoint) {
      const [row] = await sql<{ added: boolean }[]>`
        SELECT audit_add_checkpoint(${chain}, ${baseSize}, ${size}, ${Buffer.from(root)}, ${note}) AS added`;
      return row?.added === true;
    },
    async addCosignature(chain: string, size: number, witness: string, line: string) {
      await sql`SELECT audit_add_cosignature(${chain}, ${size}, ${witness}, ${line})`;
    },
    async addPublicKey(key: Uint8Array) {
      const [row] = await sql<{ added: boolean }[]>`
        SELECT audit_add_checkpoint_key(${Buffer.from(key)}) AS added`;
      return row?.added === true;
    },
  };
}

function toCheckpoint(row: StoredCheckpoint): CheckpointRow {
  return { size: safeInteger(row.size), root: row.root, note: row.note, signedAt: row.signed_at };
}
