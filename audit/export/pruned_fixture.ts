/** A chain whose first events two operators have pruned: what the tests of verification and export share. */
import { Buffer } from "node:buffer";
import type { KeyObject } from "node:crypto";
import { canonicalJson } from "../../core/canonical_json.ts";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { genesisHash, hex, nextHash } from "../digest.ts";
import { LeafRun } from "../merkle_range.ts";
import { leafHash } from "../merkle_tree.ts";
import { type FixtureLog, fixtureLog, honestEvents, LOG_ID } from "./export_fixture.ts";
import type { PrunedBeginning } from "./pruned_part.ts";

/** The border of the fixture, and where its two events stand. */
export const PRUNED_TO = 512;
export const REQUEST_SEQ = 702;
export const PRUNE_SEQ = 711;

/** What a test makes other than it should be: members of the two events' data, and who did what. */
export interface PruneCheat {
  readonly asked?: JsonObject;
  readonly done?: JsonObject;
  readonly requester?: string;
  readonly confirmer?: string;
  readonly code?: string;
}

function pruneEvents(chain: string, facts: JsonObject, cheat: PruneCheat) {
  const event = (code: string, operator: string, data: JsonObject): JsonObject => ({
    entity: { data, type: "audit_range", uid: chain },
    metadata: { event_code: code, log_name: LOG_ID, tenant_uid: chain, uid: code },
    unmapped: { operator: { id: operator } },
  });
  const { from = 1, to = PRUNED_TO } = facts;
  const asked = { from, to, ...cheat.asked };
  const done = { ...facts, request: "audit.prune_requested", ...cheat.done };
  return {
    request: canonicalJson(event("audit.prune_requested", cheat.requester ?? "alice", asked)),
    event: canonicalJson(event(cheat.code ?? "audit.pruned", cheat.confirmer ?? "bob", done)),
  };
}

/** The texts of the chain, none of them gone. */
export function prunedTexts(calls = 500, cheat: PruneCheat = {}, seed = 1): string[] {
  const chain = "acme";
  const texts = honestEvents(chain, calls, seed).map(canonicalJson);
  let hash = genesisHash(LOG_ID, chain);
  const owed = new Set<string>();
  const run = new LeafRun(0);
  for (const [index, text] of texts.slice(0, 600).entries()) {
    run.push(leafHash(text));
    if (index >= PRUNED_TO) continue;
    hash = nextHash(hash, text);
    const { metadata, unmapped } = JSON.parse(text);
    if (metadata.event_code === "call.ended") owed.delete(metadata.correlation_uid);
    else if (unmapped.decision === "allow") owed.add(metadata.correlation_uid);
  }
  const facts = {
    ...{ from: 1, to: PRUNED_TO, chain_hash: hex(hash), owed: [...owed] },
    ...{ size: 600, root: hex(run.root()), checkpoint: "0".repeat(64) },
  };
  const events = pruneEvents(chain, facts, cheat);
  return texts.toSpliced(REQUEST_SEQ - 1, 0, events.request).toSpliced(PRUNE_SEQ - 1, 0, events.event);
}

/** The log of it, and what an export is told about its beginning. */
export async function prunedLog(
  cheat: PruneCheat = {},
  key?: KeyObject,
): Promise<{ readonly log: FixtureLog; readonly pruned: PrunedBeginning }> {
  const texts = prunedTexts(900, cheat);
  const log = await fixtureLog("acme", texts, key);
  return { log, pruned: prunedBeginning(texts) };
}

/** Where the two events stand among these texts. */
export function prunedBeginning(texts: readonly string[]): PrunedBeginning {
  return {
    to: PRUNED_TO,
    request: { seq: REQUEST_SEQ, canonical: texts[REQUEST_SEQ - 1] ?? "" },
    event: { seq: PRUNE_SEQ, canonical: texts[PRUNE_SEQ - 1] ?? "" },
  };
}

/** Changes the hash that stands in the place of a pruned event. */
export function otherLeaf(line: string): string {
  const found: unknown = JSON.parse(line);
  const leaf = isJsonObject(found) ? Buffer.from(String(found.pruned), "hex") : new Uint8Array();
  leaf[0]! ^= 1;
  return `{"pruned":"${hex(leaf)}"}`;
}
