/** A chain in memory with tree and signed checkpoints, and exports of it: what the tests of export and verifiers share. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { canonicalJson } from "../../core/canonical_json.ts";
import { concatBytes } from "../../core/bytes.ts";
import type { JsonObject } from "../../core/json.ts";
import { originOf, signCheckpoint } from "../checkpoint.ts";
import { genesisHash, hex, nextHash } from "../digest.ts";
import { LeafRun } from "../merkle_range.ts";
import { leafHash } from "../merkle_tree.ts";
import { ed25519Signer, formatVerifierKey } from "../signed_note.ts";
import { type FullTile, TileBuilder } from "../tiles.ts";
import { exportArchive, type ExportOrder, type ExportSource } from "./export_archive.ts";

export const LOG_ID = "log-0123456789abcdefghij";
export const LOG_ORIGIN = "gateway.example";

/** A chain of honest events, and whatever a test makes of it. */
export interface FixtureLog {
  readonly chain: string;
  readonly origin: string;
  readonly key: KeyObject;
  readonly entries: readonly string[];
  readonly source: ExportSource;
  /** Signed checkpoint of the first `size` events. */
  checkpoint(size: number): string;
  order(order?: Partial<ExportOrder>): ExportOrder;
}

/** Events of `calls` allowed and refused calls, in an order that `seed` decides. */
export function honestEvents(chain: string, calls: number, seed = 1): JsonObject[] {
  const events: JsonObject[] = [];
  const open: number[] = [];
  let state = seed;
  const random = (below: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  const event = (code: string, call: number, more: JsonObject): JsonObject => ({
    time: 1_700_000_000_000 + events.length,
    message: `call ${call} \u00fc\u{1f600}`,
    metadata: {
      ...{ event_code: code, correlation_uid: `decision-${call}`, uid: `event-${events.length}` },
      ...{ tenant_uid: chain, log_name: LOG_ID },
    },
    unmapped: more,
  });
  for (let call = 0; call < calls || open.length > 0;) {
    if (open.length > 0 && (call >= calls || random(2) === 0)) {
      const [ended] = open.splice(random(open.length), 1);
      events.push(event("call.ended", ended!, { outcome: "ok" }));
    } else {
      const decision = random(3) === 0 ? "block" : "allow";
      events.push(event("call.decided", call, { decision }));
      if (decision === "allow") open.push(call);
      call++;
    }
  }
  return events;
}

/** Builds chain, tree and key over these events. */
export async function fixtureLog(
  chain: string,
  entries: readonly string[],
  key: KeyObject = generateKeyPairSync("ed25519").privateKey,
): Promise<FixtureLog> {
  const origin = originOf(LOG_ORIGIN, chain);
  const tiles = new Map<string, FullTile>();
  const hashes = [genesisHash(LOG_ID, chain)];
  const source: ExportSource = {
    fullTile: (_, level, index) => Promise.resolve(tiles.get(`${level}/${index}`)?.hashes),
    tileRoots: (_, level, from, to) =>
      Promise.resolve(Array.from({ length: to - from }, (_, at) => tiles.get(`${level}/${from + at}`)!.root)),
    entries: (_, from, to) => Promise.resolve(entries.slice(from, to)),
    oldest: (_, { after, upTo }, _needles, limit, maxBytes) => {
      const rows = entries.slice(after, Math.min(upTo, after + limit))
        .map((canonical, at) => ({ seq: after + at + 1, canonical, hash: hex(hashes[after + at + 1]!) }));
      let begins = 0;
      return Promise.resolve(
        rows.filter(({ canonical }) => (begins += canonical.length) - canonical.length < maxBytes),
      );
    },
    hashAt: (_, seq) => Promise.resolve(hex(hashes[seq]!)),
  };
  const builder = await TileBuilder.resume(source, chain, 0);
  for (const entry of entries) {
    for (const tile of builder.push(leafHash(entry))) tiles.set(`${tile.level}/${tile.index}`, tile);
    hashes.push(nextHash(hashes.at(-1)!, entry));
  }
  const checkpoint = (size: number) => {
    const run = new LeafRun(0);
    for (const entry of entries.slice(0, size)) run.push(leafHash(entry));
    return signCheckpoint({ origin, size, root: run.root() }, [ed25519Signer(origin, key)]);
  };
  return {
    ...{ chain, origin, key, entries, source, checkpoint },
    order: (order = {}) => {
      const size = order.checkpoint?.size ?? entries.length;
      return {
        ...{ chain, origin, logId: LOG_ID, first: 1, last: size },
        checkpoint: { size, note: checkpoint(size), signedAt: 1_700_000_000 },
        ...{ keys: [formatVerifierKey(origin, key)], witnessKeys: [], generator: "intentgate test" },
        ...order,
      };
    },
  };
}

/** The log of `calls` honest calls. */
export function honestLog(calls: number, seed?: number, chain = "acme"): Promise<FixtureLog> {
  return fixtureLog(chain, honestEvents(chain, calls, seed).map(canonicalJson));
}

/** The archive of an order as one piece. */
export async function archiveOf(log: FixtureLog, order: Partial<ExportOrder> = {}): Promise<Uint8Array> {
  return concatBytes(await Array.fromAsync(exportArchive(log.source, log.order(order))));
}
