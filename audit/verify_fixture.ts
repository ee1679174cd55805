/** A chain in memory as the database holds it, for tests of verification. */
import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { AuditRow } from "../core/audit_entry.ts";
import { canonicalJson } from "../core/canonical_json.ts";
import { signCheckpoint } from "./checkpoint.ts";
import { genesisHash, hex, nextHash } from "./digest.ts";
import { honestEvents, LOG_ID } from "./export/export_fixture.ts";
import type { StoredCheckpoint } from "./log_signer.ts";
import { LeafRun } from "./merkle_range.ts";
import { leafHash } from "./merkle_tree.ts";
import type { PrunedRange } from "./pruned_walk.ts";
import { ed25519Signer, formatVerifierKey, parseVerifierKey } from "./signed_note.ts";
import { type FullTile, TileBuilder, type TreeStore } from "./tiles.ts";
import { type ChainReader, verifyChain, type VerifyOrder } from "./verify.ts";

/** Chain, origin and key of the fixture. */
export const CHAIN = "acme";
export const ORIGIN = "gateway.example/acme";
export const KEY = generateKeyPairSync("ed25519").privateKey;

/** What the database holds of one chain. */
export interface Image {
  rows: AuditRow[];
  head: { seq: number; hash: string } | undefined;
  tiles: Map<string, FullTile>;
  checkpoint: StoredCheckpoint | undefined;
  /** Older ones, the newest first. */
  earlier?: readonly StoredCheckpoint[];
  open: Set<string>;
  pruned?: PrunedRange;
  /** Events that have a salt. */
  salts?: readonly number[];
}

/** A signed checkpoint of the first `size` events. */
export function checkpointOf(
  texts: readonly string[],
  size: number,
  key: KeyObject = KEY,
  origin = ORIGIN,
): StoredCheckpoint {
  const run = new LeafRun(0);
  for (const text of texts.slice(0, size)) run.push(leafHash(text));
  const note = signCheckpoint({ origin, size, root: run.root() }, [ed25519Signer(origin, key)]);
  return { size, root: run.root(), note, signedAt: 1_700_000_000 };
}

/** The database of a log whose first `signed` events stand under a checkpoint. */
export async function imageOf(texts: readonly string[], signed: number, chain = CHAIN): Promise<Image> {
  let hash = genesisHash(LOG_ID, chain);
  const rows = texts.map((canonical, index) => {
    hash = nextHash(hash, canonical);
    return { seq: index + 1, canonical, hash: hex(hash) };
  });
  const tiles = new Map<string, FullTile>();
  const builder = await TileBuilder.resume({} as TreeStore, chain, 0);
  for (const text of texts.slice(0, signed)) {
    for (const tile of builder.push(leafHash(text))) tiles.set(`${tile.level}/${tile.index}`, tile);
  }
  const open = new Set<string>();
  for (const text of texts) {
    const { metadata, unmapped } = JSON.parse(text);
    if (metadata.event_code === "call.ended") open.delete(metadata.correlation_uid);
    else if (unmapped.decision === "allow") open.add(metadata.correlation_uid);
  }
  const head = { seq: rows.length, hash: hex(hash) };
  return { rows, head, tiles, checkpoint: checkpointOf(texts, signed), open };
}

/** Reads it. */
export function readerOf(image: Image): ChainReader {
  return {
    head: () => Promise.resolve(image.head),
    read: (_, after, limit) => Promise.resolve(image.rows.filter(({ seq }) => seq > after).slice(0, limit)),
    latestCheckpoint: () => Promise.resolve(image.checkpoint),
    checkpointUpTo: (_, size) =>
      Promise.resolve(
        [image.checkpoint, ...image.earlier ?? []].find((found) => found !== undefined && found.size <= size),
      ),
    stillOpen: (_, ids) => Promise.resolve(ids.filter((id) => image.open.has(id))),
    appendedAt: () => Promise.resolve(1_700_000_000),
    fullTile: (_, level, index) => Promise.resolve(image.tiles.get(`${level}/${index}`)?.hashes),
    tileRoots: (_, level, from, to) => {
      const roots = Array.from(
        { length: to - from },
        (_, at) => image.tiles.get(`${level}/${from + at}`)?.root,
      );
      return Promise.resolve(roots.filter((root) => root !== undefined));
    },
    pruned: () => Promise.resolve(image.pruned),
    strandedSalt: (_, to) =>
      Promise.resolve(
        image.salts?.find((seq) => seq <= to && image.rows.every((row) => row.seq !== seq)),
      ),
    entries: (_, from, to) =>
      Promise.resolve(
        image.rows.filter(({ seq }) => seq > from && seq <= to).map(({ canonical }) => canonical),
      ),
  };
}

/** One random honest history, signed up to anywhere: verified from its beginning, and again after a checkpoint. */
export async function verifyHistory(seed: number): Promise<readonly string[]> {
  const texts = honestEvents(CHAIN, seed % 23, seed).map(canonicalJson);
  const cut = texts.slice(0, texts.length - seed % 3);
  const image = await imageOf(cut, seed % (cut.length + 1));
  const half = checkpointOf(cut, Math.floor(cut.length / 2)).note;
  // Written before the database's: it may be ahead of that, or behind where another replica signed.
  const kept = checkpointOf(cut, seed * 7 % (cut.length + 1)).note;
  const held = () => Promise.resolve(seed % 5 === 0 ? {} : { note: kept });
  const whole = await verify(image, seed % 2 === 0 ? { expected: half, held } : { held });
  assert.equal(whole.verdict, "verified", `seed ${seed}: ${JSON.stringify(whole)}`);
  assert.deepEqual([whole.events, whole.open], [cut.length, image.open.size]);
  const since = image.checkpoint?.note;
  const rest = await verify(image, { since, expected: half, held });
  assert.equal(rest.verdict, "verified", `seed ${seed}, after a checkpoint: ${JSON.stringify(rest)}`);
  return cut;
}

/** Verifies it. */
export async function verify(image: Image, order: Partial<VerifyOrder> = {}) {
  return await verifyChain(readerOf(image), {
    ...{ chain: CHAIN, logId: LOG_ID, origin: ORIGIN, nowMs: () => 1_700_000_060_000 },
    keys: [parseVerifierKey(formatVerifierKey(ORIGIN, KEY))],
    ...order,
  });
}
