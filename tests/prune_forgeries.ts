/** Ways to cheat with the pruned beginning of an audit export, each with the verdict that every verifier must come to. */
import { generateKeyPairSync } from "node:crypto";
import { canonicalJson } from "../core/canonical_json.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { archiveOf, fixtureLog } from "../audit/export/export_fixture.ts";
import {
  otherLeaf,
  PRUNE_SEQ,
  PRUNED_TO,
  prunedBeginning,
  prunedLog,
  prunedTexts,
} from "../audit/export/pruned_fixture.ts";
import type { PruneCheat } from "../audit/export/pruned_fixture.ts";
import { formatVerifierKey } from "../audit/signed_note.ts";
import { archive, filesOf, type ForgedExport, withLines, withManifest } from "./export_forgeries.ts";

const KEY = generateKeyPairSync("ed25519").privateKey;

/** All of them, with some honest archives among them. */
export async function pruneForgeries(): Promise<readonly ForgedExport[]> {
  return [...await honestExports(), ...await changedExports(), ...await rebuiltExports()];
}

type Known = Pick<ForgedExport, "keys" | "chain" | "verdict">;

function knowing(verdict: Known["verdict"]): Known {
  return { keys: [formatVerifierKey("gateway.example/acme", KEY)], chain: "acme", verdict };
}

async function honestExports(): Promise<ForgedExport[]> {
  const { log, pruned } = await prunedLog({}, KEY);
  const know = knowing("verified");
  const keeps = (event: JsonObject) => isJsonObject(event.unmapped) && event.unmapped.decision === "block";
  const filter = { terms: { decision: "block" }, keeps };
  return [
    { name: "pruned: honest, all", archive: await archiveOf(log, { pruned }), ...know },
    {
      ...{ name: "pruned: honest, from the border", ...know },
      archive: await archiveOf(log, { pruned, first: PRUNED_TO + 1 }),
    },
    {
      ...{ name: "pruned: honest, after the border", ...know },
      archive: await archiveOf(log, { pruned, first: PRUNED_TO + 2, last: 1_000 }),
    },
    {
      ...{ name: "pruned: honest, ends before the prune", ...know },
      archive: await archiveOf(log, { pruned, last: 600 }),
    },
    { name: "pruned: honest, filtered", archive: await archiveOf(log, { pruned, filter }), ...know },
    {
      ...{ name: "pruned: honest, continues a checkpoint from before", ...know },
      ...{ checkpoint: log.checkpoint(300), archive: await archiveOf(log, { pruned, sinceSize: 300 }) },
    },
    {
      ...{ name: "pruned: no key known", ...know, keys: [], verdict: "unproven", code: "no_key" },
      archive: await archiveOf(log, { pruned }),
    },
  ];
}

/** The archive changed, as whoever has no key can. */
async function changedExports(): Promise<ForgedExport[]> {
  const { log, pruned } = await prunedLog({}, KEY);
  const files = await filesOf(await archiveOf(log, { pruned }));
  const one = (name: string, of: typeof files, code: string): ForgedExport => ({
    ...{ name: `pruned: ${name}`, ...knowing("broken"), code, archive: archive(of) },
  });
  type Claims = Record<"request" | "event", { seq: number; event: string; proof: JsonValue[] }>;
  const claim = (change: (pruned: Claims) => void) =>
    withManifest(files, (manifest) => change(manifest.pruned as Claims));
  const lines = (change: (lines: string[]) => string[]) => withLines(files, change);
  return [
    one("no prune accounts for it", withManifest(files, (m) => delete m.pruned), "pruned"),
    one("the hash of a pruned event changed", lines((all) => all.with(7, otherLeaf(all[7]!))), "root"),
    one("two pruned events swapped", lines((all) => all.with(7, all[8]!).with(8, all[7]!)), "root"),
    one(
      "one more event gone",
      lines((all) => all.with(PRUNED_TO, `{"pruned":"${"0".repeat(64)}"}`)),
      "pruned",
    ),
    one("a body put back", lines((all) => all.with(7, log.entries[7]!)), "pruned"),
    one(
      "a body put back changed",
      lines((all) => all.with(7, log.entries[7]!.replace("call", "CALL"))),
      "pruned",
    ),
    one("redacted instead", lines((all) => all.with(7, all[7]!.replace("pruned", "redacted"))), "pruned"),
    one(
      "a larger range in the prune",
      claim(({ event }) => void (event.event = event.event.replaceAll('"to":512', '"to":768'))),
      "pruned",
    ),
    one(
      "a larger range in both events",
      claim(({ event, request }) => {
        for (const proven of [event, request]) {
          proven.event = proven.event.replaceAll('"to":512', '"to":768');
        }
      }),
      "pruned",
    ),
    one(
      "the chain hash at the border changed",
      claim(({ event }) =>
        void (event.event = event.event.replace(/"chain_hash":"./, '"chain_hash":"g').replace("g", "0"))
      ),
      "chain_hash",
    ),
    one("the prune elsewhere", claim(({ event }) => void (event.seq -= 1)), "pruned"),
    one(
      "the proof of the prune changed",
      claim(({ event }) => void (event.proof[0] = "0".repeat(64))),
      "pruned",
    ),
    one(
      "another spelling of the prune",
      claim(({ event }) => void (event.event = event.event.replace(":512", ":512.0"))),
      "pruned",
    ),
    one("the request is the prune", claim((both) => void (both.request = both.event)), "pruned"),
    one(
      "a prune of another event",
      claim((both) => void (both.event.event = canonicalJson({ metadata: {} }))),
      "pruned",
    ),
  ];
}

/** Logs that were made so from the beginning and signed: what the operator can do alone. */
async function rebuiltExports(): Promise<ForgedExport[]> {
  const rebuilt = async (name: string, cheat: PruneCheat, code = "pruned"): Promise<ForgedExport> => {
    const { log, pruned } = await prunedLog(cheat, KEY);
    return { name: `pruned: ${name}`, ...knowing("broken"), code, archive: await archiveOf(log, { pruned }) };
  };
  const texts = prunedTexts(900);
  const { owed } = JSON.parse(texts[PRUNE_SEQ - 1]!).entity.data;
  const twice = await fixtureLog("acme", secondOutcome(texts), KEY);
  return [
    await rebuilt("one person did both", { confirmer: "alice" }),
    await rebuilt("less was asked for", { asked: { to: 256 } }),
    await rebuilt("another request was confirmed", { done: { request: "another" } }),
    await rebuilt("an event of another kind", { code: "audit.exported" }),
    await rebuilt("a range that ends inside a tile", { asked: { to: 500 }, done: { to: 500 } }),
    await rebuilt("a tree that is not there yet", { done: { size: PRUNE_SEQ } }),
    await rebuilt("no chain hash", { done: { chain_hash: "" } }),
    await rebuilt("another chain hash", { done: { chain_hash: "0".repeat(64) } }, "chain_hash"),
    await rebuilt("an allow that owes its outcome left out", { done: { owed: owed.slice(1) } }, "outcome"),
    {
      ...{ name: "pruned: a second outcome of a pruned allow", ...knowing("broken"), code: "outcome" },
      archive: await archiveOf(twice, { pruned: prunedBeginning(twice.entries) }),
    },
  ];
}

/** The last outcome again, this time of an allow that has its own. */
function secondOutcome(texts: readonly string[]): string[] {
  const outcome = texts.findLast((text) => text.includes('"call.ended"'));
  return [...texts, outcome ?? ""];
}
