/**
 * Ways to cheat with an audit export, each with the verdict that every verifier must come to. What a cheat changes is redone
 * as far as its author can: chain hashes, tree and proofs are computed anew, and signed with a key of the cheat's own where
 * the operator's is not at hand.
 */
import { generateKeyPairSync } from "node:crypto";
import { concatBytes } from "../core/bytes.ts";
import { canonicalJson } from "../core/canonical_json.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import {
  archiveOf,
  type FixtureLog,
  fixtureLog,
  honestEvents,
  honestLog,
} from "../audit/export/export_fixture.ts";
import { ed25519Signer, formatVerifierKey, parseNote, signNote } from "../audit/signed_note.ts";
import { readTar, TAR_END, type TarFile, tarFile } from "../audit/export/tar.ts";

/** One archive with what the auditor knows, and what must come of it. */
export interface ForgedExport {
  readonly name: string;
  readonly archive: Uint8Array;
  readonly keys: readonly string[];
  readonly chain: string;
  readonly checkpoint?: string;
  readonly witnesses?: readonly string[];
  readonly witnessesNeeded?: number;
  readonly verdict: "verified" | "broken" | "unproven";
  /** `undefined` where several answers are right. */
  readonly code?: string;
}

/** Contents by name. */
export type Files = Map<string, Uint8Array>;

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The files of an archive. */
export async function filesOf(archive: Uint8Array): Promise<Files> {
  async function* whole() {
    yield await Promise.resolve(archive);
  }
  const files = await Array.fromAsync(readTar(whole(), 100_000_000));
  return new Map(files.map(({ name, content }) => [name, content.slice()]));
}

/** The archive of these files. */
export function archive(files: Iterable<TarFile | readonly [string, Uint8Array]>): Uint8Array {
  const parts = [...files].map((file) => "name" in file ? file : { name: file[0], content: file[1] });
  return concatBytes([...parts.map((file) => tarFile(file, 1_700_000_000)), TAR_END]);
}

/** Changes lines of the part that begins with event 1. */
export function withLines(files: Files, change: (lines: string[]) => string[]): Files {
  const name = "events/0000000000000001.ndjson";
  const lines = decode(files.get(name)!).trimEnd().split("\n");
  return new Map(files).set(name, encode(change(lines).map((line) => `${line}\n`).join("")));
}

/** Changes the manifest. */
export function withManifest(files: Files, change: (manifest: Record<string, JsonValue>) => void): Files {
  const manifest = JSON.parse(decode(files.get("manifest.json")!));
  change(manifest);
  return new Map(files).set("manifest.json", encode(canonicalJson(manifest)));
}

function withNote(files: Files, change: (note: string) => string): Files {
  return new Map(files).set("checkpoint", encode(change(decode(files.get("checkpoint")!))));
}

function flipped(hash: JsonValue | undefined): string {
  const text = String(hash);
  return (text[0] === "0" ? "1" : "0") + text.slice(1);
}

/** All of them, with some honest archives among them. */
export async function exportForgeries(): Promise<readonly ForgedExport[]> {
  const log = await honestLog(900);
  const files = await filesOf(await archiveOf(log, { sinceSize: 500 }));
  const know = { keys: [formatVerifierKey(log.origin, log.key)], chain: "acme" };
  const forged = (
    name: string,
    of: Iterable<readonly [string, Uint8Array]>,
    code?: string,
  ): ForgedExport => ({
    ...{ name, archive: archive(of), ...know, checkpoint: log.checkpoint(500), verdict: "broken" as const },
    ...(code === undefined ? {} : { code }),
  });
  return [
    ...await honestExports(log),
    ...eventForgeries(log, files, forged),
    ...manifestForgeries(files, forged),
    ...archiveForgeries(files, forged),
    ...noteForgeries(log, files, forged),
    ...await rebuiltForgeries(log),
  ];
}

type Forge = (name: string, of: Iterable<readonly [string, Uint8Array]>, code?: string) => ForgedExport;

async function honestExports(log: FixtureLog): Promise<ForgedExport[]> {
  const know = {
    keys: [formatVerifierKey(log.origin, log.key)],
    chain: "acme",
    verdict: "verified" as const,
  };
  const keeps = (event: JsonObject) => isJsonObject(event.unmapped) && event.unmapped.decision === "block";
  const old = formatVerifierKey(log.origin, generateKeyPairSync("ed25519").privateKey);
  return [
    { name: "honest, all", archive: await archiveOf(log), ...know },
    { name: "honest, a range", archive: await archiveOf(log, { first: 17, last: 1_203 }), ...know },
    { name: "honest, one event", archive: await archiveOf(log, { first: 256, last: 256 }), ...know },
    {
      ...{ name: "honest, filtered", ...know },
      archive: await archiveOf(log, { filter: { terms: { decision: "block" }, keeps } }),
    },
    {
      ...{ name: "honest, continues a checkpoint", ...know, checkpoint: log.checkpoint(500) },
      archive: await archiveOf(log, { sinceSize: 500 }),
    },
    { name: "honest, two keys known", archive: await archiveOf(log), ...know, keys: [old, ...know.keys] },
    {
      name: "no key known",
      archive: await archiveOf(log),
      ...know,
      keys: [],
      verdict: "unproven",
      code: "no_key",
    },
    {
      ...{ name: "no proof from the auditor's checkpoint", archive: await archiveOf(log), ...know },
      ...{ checkpoint: log.checkpoint(500), verdict: "unproven", code: "no_consistency_proof" },
    },
    {
      ...{ name: "no witness has cosigned", archive: await archiveOf(log), ...know, witnessesNeeded: 1 },
      ...{ verdict: "unproven", code: "not_cosigned" },
    },
  ];
}

function eventForgeries(log: FixtureLog, files: Files, forged: Forge): ForgedExport[] {
  const event = JSON.parse(log.entries[7]!) as JsonObject;
  const fields = [...leafPaths(event)];
  const one = (name: string, change: (lines: string[]) => string[], code?: string) =>
    forged(name, withLines(files, change), code);
  return [
    ...fields.map((path) =>
      one(`event: "${path.join(".")}" changed`, (lines) => lines.with(7, canonicalJson(changed(event, path))))
    ),
    one(
      "event: a member added",
      (lines) => lines.with(7, canonicalJson({ ...event, extra: 1 })),
      "chain_hash",
    ),
    one(
      "event: another spelling of the same JSON",
      (lines) => lines.with(7, lines[7]!.replace(":", ": ")),
      "chain_hash",
    ),
    one("event: no JSON", (lines) => lines.with(7, "nonsense"), "event"),
    one("event: no object", (lines) => lines.with(7, "[1]"), "event"),
    one("event: empty line", (lines) => lines.with(7, ""), "event"),
    one("event: NaN", (lines) => lines.with(7, '{"a":NaN}'), "event"),
    one("two events swapped", (lines) => lines.with(20, lines[21]!).with(21, lines[20]!)),
    one("an event repeated", (lines) => [...lines.slice(0, 21), ...lines.slice(20)], "parts"),
    one("an event repeated in place of the next", (lines) => lines.with(21, lines[20]!)),
    one("an event left out", (lines) => lines.toSpliced(30, 1), "parts"),
    one("the last event left out", (lines) => lines.slice(0, -1), "parts"),
    one(
      "an event redacted without a filter",
      (lines) => lines.with(7, `{"redacted":"${"0".repeat(64)}"}`),
      "event",
    ),
    one(
      "an event of another tenant",
      (lines) => lines.with(7, lines[7]!.replaceAll('"acme"', '"globex"')),
      "mixed_chain",
    ),
    one("carriage returns", (lines) => lines.map((line) => `${line}\r`), "chain_hash"),
  ];
}

/** Paths to every value of an event that is no object. */
function* leafPaths(value: JsonValue | undefined, path: string[] = []): Generator<string[]> {
  if (!isJsonObject(value)) return void (yield path);
  for (const [name, member] of Object.entries(value)) yield* leafPaths(member, [...path, name]);
}

function changed(value: JsonValue | undefined, path: readonly string[]): JsonObject {
  const [name, ...rest] = path;
  const object = value as JsonObject;
  const member = object[name!];
  const other = rest.length > 0
    ? changed(member, rest)
    : typeof member === "number"
    ? member + 1
    : `${member}x`;
  return { ...object, [name!]: other };
}

function manifestForgeries(files: Files, forged: Forge): ForgedExport[] {
  type Change = (manifest: Record<string, JsonValue>) => void;
  const one = (name: string, change: Change, code?: string) =>
    forged(name, withManifest(files, change), code);
  const tree = (change: (tree: Record<string, JsonValue>) => void): Change => (manifest) =>
    change(manifest.tree as Record<string, JsonValue>);
  return [
    one("manifest: another chain", (m) => Object.assign(m, { chain: "globex" }), "manifest"),
    one(
      "manifest: another chain and origin",
      (m) => Object.assign(m, { chain: "globex", origin: "gateway.example/globex" }),
      "wrong_chain",
    ),
    one("manifest: another log", (m) => Object.assign(m, { log_id: "log-other0123456789abc" }), "chain_hash"),
    one(
      "manifest: another origin",
      (m) => Object.assign(m, { origin: "elsewhere.example/acme" }),
      "signature",
    ),
    one("manifest: range begins later", (m) => Object.assign(m, { first: 2 }), "parts"),
    one("manifest: range ends earlier", (m) => Object.assign(m, { last: Number(m.last) - 1 }), "parts"),
    one(
      "manifest: range ends before it begins",
      (m) => Object.assign(m, { first: 900, last: 2 }),
      "manifest",
    ),
    one(
      "manifest: range ends after the tree",
      (m) => Object.assign(m, { last: Number(m.last) + 1 }),
      "manifest",
    ),
    one(
      "manifest: chain hash before changed",
      (m) => Object.assign(m, { chain_hash: { ...m.chain_hash as JsonObject, before: "0".repeat(64) } }),
      "chain_hash",
    ),
    one(
      "manifest: chain hash after changed",
      (m) => Object.assign(m, { chain_hash: { ...m.chain_hash as JsonObject, after: "0".repeat(64) } }),
      "chain_hash",
    ),
    one("manifest: chain hashes removed", (m) => delete m.chain_hash, "manifest"),
    one("manifest: tree smaller", tree((t) => Object.assign(t, { size: Number(t.size) - 1 })), "manifest"),
    one("manifest: tree larger", tree((t) => Object.assign(t, { size: Number(t.size) + 1 })), "checkpoint"),
    one(
      "manifest: a hash too many in the range proof",
      tree((t) => {
        t.range_proof = [...t.range_proof as string[], "0".repeat(64)];
      }),
      "root",
    ),
    one("manifest: consistency proof changed", (m) => {
      const consistency = m.consistency as Record<string, JsonValue>;
      const proof = consistency.proof as string[];
      consistency.proof = [flipped(proof[0]), ...proof.slice(1)];
    }, "consistency"),
    one("manifest: unknown member", (m) => Object.assign(m, { trusted: true }), "manifest"),
    one("manifest: a size that is no integer", tree((t) => Object.assign(t, { size: 12.5 })), "manifest"),
    forged(
      "manifest: not canonical",
      new Map(files).set(
        "manifest.json",
        encode(` ${decode(files.get("manifest.json")!)}`),
      ),
      "manifest",
    ),
    forged(
      "manifest: a name twice",
      new Map(files).set(
        "manifest.json",
        encode(decode(files.get("manifest.json")!).replace("{", '{"chain":"globex",')),
      ),
      "manifest",
    ),
  ];
}

function archiveForgeries(files: Files, forged: Forge): ForgedExport[] {
  const list = [...files];
  const whole = archive(list);
  const bytes = (name: string, content: Uint8Array): ForgedExport => ({
    ...forged(name, files, "archive"),
    archive: content,
  });
  return [
    forged("archive: parts in another order", [...list.slice(0, 2), ...list.slice(2).reverse()], "parts"),
    forged("archive: first part missing", list.toSpliced(2, 1), "parts"),
    forged("archive: last part missing", list.slice(0, -1), "parts"),
    forged("archive: a part twice", [...list.slice(0, 3), ...list.slice(2)], "parts"),
    forged("archive: a file more", [...list, ["notes.txt", encode("trust me")]], "parts"),
    forged("archive: no checkpoint", list.toSpliced(1, 1), "archive"),
    forged("archive: no manifest", list.slice(1), "archive"),
    forged("archive: checkpoint first", [list[1]!, list[0]!, ...list.slice(2)], "archive"),
    forged(
      "archive: a part renamed",
      list.map(([name, content]) => [name.replace("0000000000000001", "0000000000000002"), content] as const),
      "parts",
    ),
    bytes("archive: cut off", whole.subarray(0, whole.length - 1_025)),
    bytes("archive: no end mark", whole.subarray(0, whole.length - 1_024)),
    bytes("archive: bytes after the end", concatBytes([whole, Uint8Array.of(0)])),
    bytes("archive: nothing", new Uint8Array()),
  ];
}

function noteForgeries(log: FixtureLog, files: Files, forged: Forge): ForgedExport[] {
  const stranger = generateKeyPairSync("ed25519").privateKey;
  const note = decode(files.get("checkpoint")!);
  const resigned = signNote(parseNote(note).text, [ed25519Signer(log.origin, stranger)]);
  const elsewhere = signNote(parseNote(note).text, [ed25519Signer("gateway.example/globex", log.key)]);
  return [
    forged("checkpoint: signed with another key", withNote(files, () => resigned), "signature"),
    forged("checkpoint: signed as another log", withNote(files, () => elsewhere), "signature"),
    forged("checkpoint: an older one", withNote(files, () => log.checkpoint(700)), "checkpoint"),
    forged(
      "checkpoint: text changed",
      withNote(files, (text) => text.replace("/acme\n", "/acme\n1")),
      "signature",
    ),
    forged(
      "checkpoint: a line added",
      withNote(files, (text) => text.replace("\n\n", "\nmore\n\n")),
      "signature",
    ),
    forged("checkpoint: no signature", withNote(files, (text) => text.split("\n\n")[0]! + "\n"), "signature"),
    forged(
      "checkpoint: signature damaged",
      withNote(files, (text) => text.replace(/..=*\n$/, "AA=\n")),
      "signature",
    ),
    forged(
      "checkpoint: a damaged signature beside a good one",
      withNote(
        files,
        (text) => text + text.split("\n\n")[1]!.replace(/.{9}=*\n$/, (end) => `AAAAAAAA${end.slice(8)}`),
      ),
      "signature",
    ),
    forged("checkpoint: empty", withNote(files, () => ""), "signature"),
  ];
}

/** Whole logs made anew: what a dishonest operator can do, who holds the key. */
async function rebuiltForgeries(log: FixtureLog): Promise<ForgedExport[]> {
  const know = { keys: [formatVerifierKey(log.origin, log.key)], chain: "acme", verdict: "broken" as const };
  const events = honestEvents("acme", 900);
  const rebuilt = async (change: (events: JsonObject[]) => JsonObject[]) =>
    await fixtureLog("acme", change([...events]).map(canonicalJson), log.key);
  const since = async (name: string, other: FixtureLog, code: string): Promise<ForgedExport> => ({
    ...{ name, ...know, checkpoint: log.checkpoint(500), code },
    archive: await archiveOf(other, other.entries.length > 500 ? { sinceSize: 500 } : {}),
  });
  const isOutcome = (event: JsonObject) =>
    isJsonObject(event.metadata) && event.metadata.event_code === "call.ended";
  const outcome = events.findIndex(isOutcome);
  const refused = events.findIndex((event) =>
    isJsonObject(event.unmapped) && event.unmapped.decision === "block"
  );
  const other = honestEvents("acme", 900, 99);
  return [
    await since(
      "log rebuilt without a refusal",
      await rebuilt((all) => all.toSpliced(refused, 1)),
      "consistency",
    ),
    await since(
      "log rebuilt with event 100 changed",
      await rebuilt((all) => all.with(99, { ...all[99]!, message: "nothing happened" })),
      "consistency",
    ),
    await since(
      "log rebuilt with a forged event",
      await rebuilt((all) =>
        all.toSpliced(250, 0, {
          ...all[249]!,
          metadata: { ...all[249]!.metadata as JsonObject, event_code: "tenant.updated" },
        })
      ),
      "consistency",
    ),
    await since(
      "log restored from a backup and grown since",
      await rebuilt((all) =>
        [...all.slice(0, 400), ...other.slice(400)].filter((event) => !isOutcome(event))
      ),
      "consistency",
    ),
    await since("log cut off", await rebuilt((all) => all.slice(0, 300)), "consistency"),
    {
      ...{ name: "a second outcome, signed by the operator", ...know, code: "outcome" },
      archive: await archiveOf(await rebuilt((all) => [...all, all[outcome]!])),
    },
    {
      ...{ name: "an outcome without an allow, signed by the operator", ...know, code: "outcome" },
      archive: await archiveOf(
        await rebuilt((all) => {
          const block = all.find((event) =>
            isJsonObject(event.unmapped) && event.unmapped.decision === "block"
          )!;
          const metadata = { ...block.metadata as JsonObject, event_code: "call.ended" };
          return [...all, { ...block, metadata }];
        }),
      ),
    },
    {
      ...{ name: "another tenant's export", ...know, code: "wrong_chain" },
      archive: await archiveOf(await honestLog(100, 3, "globex")),
    },
    {
      ...{ name: "another gateway's log of the same name", ...know, code: "signature" },
      archive: await archiveOf(await honestLog(900)),
    },
  ];
}
