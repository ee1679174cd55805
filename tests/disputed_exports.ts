/**
 * Audit exports that two verifiers could take differently: texts and numbers that languages read each in their own way,
 * signature lines of strangers, and witnesses. Each has the one verdict that every verifier must come to.
 */
import { generateKeyPairSync } from "node:crypto";
import {
  archiveOf,
  type FixtureLog,
  fixtureLog,
  honestEvents,
  LOG_ID,
} from "../audit/export/export_fixture.ts";
import { prunedLog } from "../audit/export/pruned_fixture.ts";
import { witnessKey } from "../audit/places/places_fixture.ts";
import { ed25519Signer, formatVerifierKey, parseNote, signNote } from "../audit/signed_note.ts";
import { concatBytes } from "../core/bytes.ts";
import { canonicalJson } from "../core/canonical_json.ts";
import type { JsonObject } from "../core/json.ts";
import { archive, type Files, filesOf, type ForgedExport } from "./export_forgeries.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** All of them, with some that are as they should be. */
export async function disputedExports(): Promise<readonly ForgedExport[]> {
  const log = await fixtureLog("acme", honestEvents("acme", 40).map(canonicalJson));
  const whole = await filesOf(await archiveOf(log));
  const keeps = (event: JsonObject) => JSON.stringify(event).includes('"allow"');
  const filter = { terms: { agent: "bot", from_time: "5" }, keeps };
  const filtered = await filesOf(await archiveOf(log, { filter }));
  const dispute: Dispute = (name, files, code) => ({
    ...{ name: `disputed: ${name}`, archive: archive(files), keys: keysOf(log), chain: "acme" },
    ...(code === undefined ? { verdict: "verified" } : { verdict: "broken", code }),
  });
  return [
    dispute("a filter", filtered),
    ...manifestDisputes(whole, filtered, dispute),
    ...signatureDisputes(log, whole, dispute),
    ...witnessDisputes(whole, dispute),
    ...await eventDisputes(),
    ...await pruneDisputes(),
  ];
}

type Dispute = (name: string, files: Files, code?: string) => ForgedExport;

function keysOf({ origin, key }: FixtureLog): string[] {
  return [formatVerifierKey(origin, key)];
}

/** The text of a file changed as it stands, which may make it what no program of ours would write. */
function withText(files: Files, name: string, change: (text: string) => string): Files {
  const text = new TextDecoder().decode(files.get(name));
  const changed = change(text);
  if (changed === text) throw new Error(`Nothing of "${name}" was changed`);
  return new Map(files).set(name, encode(changed));
}

function manifestDisputes(whole: Files, filtered: Files, dispute: Dispute): ForgedExport[] {
  const one = (name: string, files: Files, from: string | RegExp, to: string) =>
    dispute(
      `manifest, ${name}`,
      withText(files, "manifest.json", (text) => text.replace(from, () => to)),
      "manifest",
    );
  const asked = '{"agent":"bot",';
  const controls = ["\\u0000", "\\n", "\\u001b", "\x7f", "\x85"];
  return [
    ...controls.flatMap((control) => [
      one(`${escape(control)} in the generator`, whole, '"generator":"', `"generator":"${control}`),
      one(
        `${escape(control)} in a key of a witness`,
        whole,
        '"witness_keys":[]',
        `"witness_keys":["${control}"]`,
      ),
      one(`${escape(control)} in a filter`, filtered, '"agent":"', `"agent":"${control}`),
    ]),
    one("chain that spells a verdict", whole, /"acme"/, '"acme is verified"'),
    one("filter by unknown names", filtered, asked, `${asked}"everything":"",`),
    one("filter names in UTF-16 order", filtered, asked, `${asked}"\u{1f600}":"y","\uff5e":"z",`),
    one("filter names in code point order", filtered, asked, `${asked}"\uff5e":"z","\u{1f600}":"y",`),
    one("filter by __proto__", filtered, asked, `{"__proto__":5,${asked.slice(1)}`),
    one("filter by __proto__, a text", filtered, asked, `{"__proto__":"x",${asked.slice(1)}`),
    one("a long value of a filter", filtered, '"bot"', `"${"\u{1f600}".repeat(513)}"`),
    dispute(
      "manifest, a value of a filter as long as may be",
      withText(filtered, "manifest.json", (text) => text.replace('"bot"', `"${"\u{1f600}".repeat(512)}"`)),
    ),
  ];
}

function escape(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\x7f-\x9f]/g,
    (found) => `\\u00${found.charCodeAt(0).toString(16)}`,
  );
}

function signatureDisputes(log: FixtureLog, whole: Files, dispute: Dispute): ForgedExport[] {
  const line = (name: string) => `\u2014 ${name} ${btoa("\xde\xad\xbe\xef".padEnd(68, "x"))}\n`;
  const appended = (name: string, more: string, code?: string) =>
    dispute(`checkpoint, ${name}`, withText(whole, "checkpoint", (note) => note + more), code);
  const neighbour = generateKeyPairSync("ed25519").privateKey;
  const theirs = formatVerifierKey("gateway.example/globex", neighbour);
  const { text } = parseNote(log.checkpoint(3));
  const bad = signNote(text, [ed25519Signer("gateway.example/globex", neighbour)]).split("\n\n")[1]!;
  const damaged = appended("a bad signature of another known log", bad, "signature");
  const invalid = concatBytes([
    whole.get("checkpoint")!,
    encode("\u2014 x"),
    Uint8Array.of(0xff),
    encode(line("").slice(2)),
  ]);
  return [
    appended("a stranger", line("stranger.example")),
    appended("a stranger of 600 characters", line("n".repeat(600))),
    appended("a stranger of 600 astral characters", line("\u{1f600}".repeat(600))),
    appended("a stranger with U+FEFF", line("a\ufeffb")),
    ...["\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u202f", "\u205f", "\u3000", "+"].map((space) =>
      appended(`a stranger with ${escape(space)}`, line(`a${space}b`), "signature")
    ),
    appended("99 strangers", line("stranger.example").repeat(99)),
    appended("100 strangers", line("stranger.example").repeat(100), "signature"),
    appended("too long in bytes, not in characters", line("\u{1f600}".repeat(262_144)), "signature"),
    dispute("checkpoint, not UTF-8", new Map(whole).set("checkpoint", invalid), "signature"),
    { ...damaged, keys: [...damaged.keys, theirs] },
    { ...damaged, name: `${damaged.name}, named first`, keys: [theirs, ...damaged.keys] },
    appended("a bad signature of another log, which is not known", bad),
  ];
}

function witnessDisputes(whole: Files, dispute: Dispute): ForgedExport[] {
  const [first, again, other] = ["w.example", "w.example", "\uff5e.example", "\u{1f600}.example"].map(
    witnessKey,
  );
  const astral = witnessKey("\u{1f600}.example");
  const all = [first!, again!, other!, astral];
  const note = new TextDecoder().decode(whole.get("checkpoint"));
  const one = (name: string, of: typeof all, needed: number, known = of): ForgedExport => {
    const lines = of.map((witness) => witness.cosign(note, 1_700_000_000)).join("");
    const forged = dispute(`witnesses, ${name}`, withText(whole, "checkpoint", (text) => text + lines));
    return { ...forged, witnesses: known.map(({ line }) => line), witnessesNeeded: needed };
  };
  const unproven = { verdict: "unproven", code: "not_cosigned" } as const;
  const elsewhere = note.replace("\n", "\n1");
  return [
    one("one of one", [first!], 1),
    one("three of three, by whatever order their names have", [astral, other!, first!], 3),
    one("one with two keys is one", [first!, again!], 1),
    { ...one("one with two keys is not two", [first!, again!], 2), ...unproven },
    { ...one("one named twice is not two", [first!], 2, [first!, first!]), ...unproven },
    { ...one("one that is not known", [first!], 1, [other!]), ...unproven },
    { ...one("one too few", [first!, other!], 3, all), ...unproven },
    {
      ...one("a cosignature of another checkpoint", [first!], 0),
      archive: archive(withText(whole, "checkpoint", (text) => text + first!.cosign(elsewhere, 1))),
      ...{ verdict: "broken", code: "signature" },
    },
  ];
}

/** Events that the operator signed, the last of them one that not everybody can read. */
async function eventDisputes(): Promise<ForgedExport[]> {
  const honest = honestEvents("acme", 5).map(canonicalJson);
  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  const event = (member: string) => `{"metadata":{"log_name":"${LOG_ID}","tenant_uid":"acme"},"x":${member}}`;
  const one = async (name: string, last: string, code?: string): Promise<ForgedExport> => {
    const log = await fixtureLog("acme", [...honest, last]);
    return {
      ...{
        name: `disputed: event, ${name}`,
        archive: await archiveOf(log),
        keys: keysOf(log),
        chain: "acme",
      },
      ...(code === undefined ? { verdict: "verified" } : { verdict: "broken", code }),
    };
  };
  const unreadable = [
    "9007199254740992",
    "-9007199254740992",
    "1e16",
    "1e999",
    "1".repeat(400),
    "1".repeat(5_000),
  ];
  return await Promise.all([
    one("the largest numbers", event("[9007199254740991,-9007199254740991,0.1,1e-7]")),
    one("128 levels", event(nested(127))),
    ...[128, 990, 1_500, 20_000].map((levels) => one(`${levels + 1} levels`, event(nested(levels)), "event")),
    ...unreadable.map((number) => one(number.slice(0, 20), event(number), "event")),
    one("spaces around it", ` ${event("1")} `),
    one("a no-break space before it", `\u00a0${event("1")}`, "event"),
  ]);
}

async function pruneDisputes(): Promise<ForgedExport[]> {
  const one = async (name: string, asked: JsonObject): Promise<ForgedExport> => {
    const { log, pruned } = await prunedLog({ asked });
    return {
      ...{ name: `disputed: prune, ${name}`, archive: await archiveOf(log, { pruned }), keys: keysOf(log) },
      ...{ chain: "acme", verdict: "broken", code: "pruned" },
    };
  };
  return [
    await one("true for 1", { from: true }),
    await one("a fraction, which is not spelled alike everywhere", { more: 1e-7 }),
    await one("1.5", { more: 1.5 }),
  ];
}
