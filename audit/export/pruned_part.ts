/** Pruned events in an export: a digest in the place of each, and the two events that account for them. */
import { Buffer } from "node:buffer";
import { hex } from "../digest.ts";
import { EventCheck } from "../event_check.ts";
import { LeafRun, rangeProof, rootOfRange } from "../merkle_range.ts";
import { equal, type Hash, leafHash, type NodeReader } from "../merkle_tree.ts";
import { PruneError, type PruneEvents, type PruneRecord, pruneRecord } from "../prune_record.ts";
import { hashesOf, readTile, TILE_WIDTH, type TreeStore } from "../tiles.ts";
import type { Manifest } from "./manifest.ts";

/** The pruned beginning of a chain, with what accounts for it. */
export interface PrunedBeginning extends PruneEvents {
  readonly to: number;
}

/** The line of a pruned event: its leaf hash. No audit event looks like it. */
export function prunedLine(leaf: string): string {
  return `{"pruned":"${leaf}"}`;
}

/** The leaf hash of a pruned line, `undefined` for an event. */
export function prunedLeaf(line: string): string | undefined {
  return /^\{"pruned":"([0-9a-f]{64})"\}$/.exec(line)?.[1];
}

/** Lines of the pruned events `from + 1` to `to`. */
export async function prunedLines(
  source: TreeStore,
  chain: string,
  from: number,
  to: number,
): Promise<string[]> {
  const lines: string[] = [];
  for (let index = Math.floor(from / TILE_WIDTH); index * TILE_WIDTH < to; index++) {
    const leaves = [...hashesOf(await readTile(source, chain, { level: 0, index, width: TILE_WIDTH }))];
    const begin = index * TILE_WIDTH;
    const wanted = leaves.slice(Math.max(0, from - begin), to - begin);
    lines.push(...wanted.map((leaf) => prunedLine(hex(leaf))));
  }
  return lines;
}

/** Why a range cannot be exported from a chain whose beginning is pruned; `undefined` when it can. */
export function whyNotExportable(
  { to, event }: PrunedBeginning,
  { first, last, size }: { readonly first: number; readonly last: number; readonly size: number },
): string | undefined {
  if (first > to) return undefined;
  if (first !== 1 || last <= to) {
    return `The events up to ${to} are pruned: expected a range from 1, or from ${
      to + 1
    }, that ends after them`;
  }
  if (event.seq <= size) return undefined;
  return `The events up to ${to} are pruned, which only checkpoints from size ${event.seq} on prove`;
}

/** What a manifest says of the pruned beginning; absent where the range does not touch it. */
export async function prunedClaim(
  pruned: PrunedBeginning | undefined,
  { first, size, read }: { readonly first: number; readonly size: number; readonly read: NodeReader },
): Promise<Pick<Manifest, "pruned">> {
  if (pruned === undefined || first > pruned.to + 1 || pruned.event.seq > size) return {};
  const proven = async ({ seq, canonical }: PruneEvents["event"]) => ({
    ...{ seq, event: canonical },
    proof: (await rangeProof(seq - 1, seq, size, read)).map(hex),
  });
  return { pruned: { request: await proven(pruned.request), event: await proven(pruned.event) } };
}

/** What accounts for the pruned beginning, before its events are proven; throws `PruneError`. */
export function claimedRecord(manifest: Manifest): PruneRecord | undefined {
  const { pruned, first, last, tree, chain_hash } = manifest;
  if (pruned === undefined) return undefined;
  const [request, event] = [pruned.request, pruned.event].map(({ seq, event }) => ({
    ...{ seq, canonical: event },
  }));
  const record = pruneRecord({ request: request!, event: event! }, manifest);
  if (event!.seq > tree.size) throw new PruneError("The checkpoint does not cover the prune");
  if (last <= record.to || (first !== 1 && first !== record.to + 1)) {
    throw new PruneError("The range does not fit the prune");
  }
  if (first !== 1 && chain_hash !== undefined && chain_hash.before !== record.chainHash) {
    throw new PruneError("The chain hash before the first event is not that of the prune");
  }
  return record;
}

/** Checks the events of a range whose beginning may be pruned. */
export function checkOf(manifest: Manifest, record: PruneRecord | undefined): EventCheck {
  const whole = new EventCheck(manifest); // whether the chain begins with its genesis hash
  if (record === undefined) return whole;
  const { log_id, chain, chain_hash } = manifest;
  return new EventCheck({
    ...{ log_id, chain, first: record.to + 1, owed: record.owed },
    ...(chain_hash === undefined ? {} : { chain_hash: { before: record.chainHash } }),
  });
}

/** Whether the two events that account for the prune stand in the tree. */
export function isProven({ pruned, tree }: Manifest, root: Hash): boolean {
  if (pruned === undefined) return true;
  return [pruned.request, pruned.event].every(({ seq, event, proof }) => {
    if (seq > tree.size) return false;
    const run = new LeafRun(seq - 1);
    run.push(leafHash(event));
    const reached = rootOfRange(run, tree.size, proof.map((hash) => Buffer.from(hash, "hex")));
    return reached !== undefined && equal(reached, root);
  });
}
