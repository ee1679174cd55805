import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { generateKeyPairSync } from "node:crypto";
import type { AuditRow } from "../core/audit_entry.ts";
import { canonicalJson } from "../core/canonical_json.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { signCheckpoint } from "./checkpoint.ts";
import { genesisHash, hex, nextHash } from "./digest.ts";
import { honestEvents, LOG_ID } from "./export/export_fixture.ts";
import { ed25519Signer, formatVerifierKey, parseVerifierKey } from "./signed_note.ts";
import { type ChainReader, verifyChain } from "./verify.ts";
import {
  CHAIN,
  checkpointOf,
  type Image,
  imageOf,
  KEY,
  ORIGIN,
  readerOf,
  verify,
  verifyHistory,
} from "./verify_fixture.ts";

const textsOf = (events: readonly JsonObject[]) => events.map(canonicalJson);
const EVENTS = honestEvents(CHAIN, 400);
const TEXTS = textsOf(EVENTS);
const SIZE = TEXTS.length;
const codeOf = (event: JsonObject) => isJsonObject(event.metadata) ? event.metadata.event_code : undefined;

Deno.test("verifyChain() verifies honest chains, and tells what is not signed yet", async () => {
  for (const signed of [0, 1, 255, 256, 300, SIZE]) {
    const report = await verify(await imageOf(TEXTS, signed));
    assert.equal(report.verdict, "verified", JSON.stringify(report));
    assert.equal(report.events, SIZE);
    assert.equal(report.checkpoint?.size, signed);
    assert.deepEqual(report.tail, { events: SIZE - signed, ageSeconds: signed === SIZE ? 0 : 60 });
  }
});

Deno.test("verifyChain() goes on after a checkpoint that was verified before", async () => {
  const image = await imageOf(TEXTS, SIZE);
  for (const size of [1, 255, 256, 257, SIZE]) {
    const since = checkpointOf(TEXTS, size).note;
    const report = await verify(image, { since, expected: checkpointOf(TEXTS, 100).note });
    assert.equal(report.verdict, "verified", JSON.stringify(report));
    assert.deepEqual([report.first, report.events], [size + 1, SIZE - size]);
  }
});

Deno.test("verifyChain() finds a changed hash right where it goes on", async () => {
  const image = await imageOf(TEXTS, SIZE);
  const since = checkpointOf(TEXTS, 300).note;
  for (const hash of ["", "ab", "ab".repeat(31), "ab".repeat(33), "ab".repeat(32)]) {
    const rows = image.rows.map((row) => row.seq === 300 ? { ...row, hash } : row);
    const { verdict, broken } = await verify({ ...image, rows }, { since });
    assert.deepEqual([verdict, broken?.what], ["broken", "hash"], hash);
  }
});

Deno.test("verifyChain() can be taken up at the last checkpoint that was reached when its time ran out", async () => {
  const earlier = [500, 310, 305, 100].map((size) => checkpointOf(TEXTS, size));
  const image = { ...await imageOf(TEXTS, SIZE), earlier };
  let since: string | undefined;
  const reached: number[] = [];
  for (const pages of [0, 1, 1]) {
    // The time is up after so many pages, each of 320 events here.
    let read = 0;
    const aborter = new AbortController();
    const reader = readerOf(image);
    const short: ChainReader = {
      ...reader,
      read: (chain, after, limit) => {
        if (limit > 1 && ++read > pages) aborter.abort();
        return reader.read(chain, after, Math.min(limit, 320));
      },
    };
    const report = await verifyChain(short, {
      ...{ chain: CHAIN, logId: LOG_ID, origin: ORIGIN, nowMs: () => 0, waypointEvents: 100 },
      ...{ keys: [parseVerifierKey(formatVerifierKey(ORIGIN, KEY))], signal: aborter.signal, since },
    });
    assert.equal(report.verdict, "unproven");
    since = report.verifiedTo?.note ?? since;
    reached.push(report.verifiedTo?.size ?? 0);
  }
  assert.deepEqual(reached, [0, 310, 500].slice(0, reached.length));
  const rest = await verify(image, { since, waypointEvents: 100 });
  assert.deepEqual([rest.verdict, rest.first, rest.verifiedTo?.size], ["verified", 501, SIZE]);
  const retired = checkpointOf(TEXTS, 305, generateKeyPairSync("ed25519").privateKey);
  const rotated = await verify({ ...image, earlier: [retired] }, { waypointEvents: 100 });
  assert.equal(rotated.verdict, "verified", "a key that is no longer used has signed it");
  const unreadable = { ...retired, note: "x" };
  const spoilt = await verify({ ...image, earlier: [unreadable] }, { waypointEvents: 100 });
  assert.equal(spoilt.broken?.what, "signature");
  const forged = checkpointOf(["{}", ...TEXTS.slice(1)], 305);
  const cheated = await verify({ ...image, earlier: [forged] }, { waypointEvents: 100 });
  assert.deepEqual([cheated.broken?.what, cheated.broken?.seq], ["checkpoint", 305]);
});

Deno.test("verifyChain() accuses none of 500 random honest histories", async () => {
  for (let seed = 1; seed <= 500; seed++) await verifyHistory(seed);
});

Deno.test("verifyChain() says that nothing is proven without a checkpoint or out of time, and that a head must be there", async () => {
  const image = await imageOf(TEXTS, 0);
  assert.equal(
    (await verify({ ...image, checkpoint: undefined })).reason,
    "no checkpoint has been signed yet",
  );
  const { verdict, broken } = await verify({ ...image, rows: [], head: undefined });
  assert.deepEqual([verdict, broken?.what, broken?.found], ["broken", "head", "no such chain"]);
  const aborted = AbortSignal.abort();
  assert.equal((await verify(image, { signal: aborted })).reason, "the time limit was reached");
});

/** A dishonest database, made from the honest one; where it can, the cheat recomputes hashes, head and tree. */
type Cheat = (image: Image) => Image | Promise<Image>;

const rebuilt = (change: (events: JsonObject[]) => JsonObject[]): Cheat => async (image) => {
  const signed = image.checkpoint?.size ?? 0;
  const fresh = await imageOf(textsOf(change(structuredClone(EVENTS) as JsonObject[])), signed);
  // The signed checkpoint cannot be made again without the key.
  return { ...fresh, checkpoint: image.checkpoint };
};
const rows = (change: (rows: AuditRow[]) => AuditRow[]): Cheat => (image) => ({
  ...image,
  rows: change([...image.rows]),
});
const row = (index: number, change: (row: AuditRow) => Partial<AuditRow>): Cheat =>
  rows((all) => all.with(index, { ...all[index]!, ...change(all[index]!) }));
const blanked = (from: number, to: number): Cheat =>
  rows((all) => all.map((one, at) => at >= from && at < to ? { ...one, hash: "" } : one));

const CHEATS: Readonly<Record<string, Cheat>> = {
  "newest 5 deleted": rows((all) => all.slice(0, -5)),
  "oldest 15 deleted": rows((all) => all.slice(15)),
  "everything deleted": rows(() => []),
  "everything deleted, head too": (image) => ({ ...image, rows: [], head: undefined }),
  "newest 5 deleted, head moved back": (image) => ({
    ...image,
    rows: image.rows.slice(0, -5),
    head: { seq: SIZE - 5, hash: image.rows[SIZE - 6]!.hash },
  }),
  "everything deleted, head moved back": (image) => ({
    ...image,
    rows: [],
    head: { seq: 0, hash: hex(genesisHash(LOG_ID, CHAIN)) },
  }),
  "a forged row without a hash": rows((all) => [...all, { seq: SIZE + 1, canonical: TEXTS[0]!, hash: "" }]),
  "a forged row behind the head": rows((all) => [
    ...all,
    {
      seq: SIZE + 1,
      canonical: TEXTS[0]!,
      hash: hex(nextHash(Buffer.from(all.at(-1)!.hash, "hex"), TEXTS[0]!)),
    },
  ]),
  "a forged row, head moved": (image) => {
    const hash = hex(nextHash(Buffer.from(image.rows.at(-1)!.hash, "hex"), "{}"));
    return {
      ...image,
      rows: [...image.rows, { seq: SIZE + 1, canonical: "{}", hash }],
      head: { seq: SIZE + 1, hash },
    };
  },
  "every hash blanked": blanked(0, SIZE),
  "first 10 hashes blanked": blanked(0, 10),
  "last hash blanked": blanked(SIZE - 1, SIZE),
  "a row changed": row(40, ({ canonical }) => ({ canonical: canonical.replace("call", "CALL") })),
  "a row emptied": row(40, () => ({ canonical: "" })),
  "a hash changed": row(40, () => ({ hash: "ab".repeat(32) })),
  "two rows swapped": rows((all) =>
    all.with(40, { ...all[41]!, seq: 41 }).with(41, { ...all[40]!, seq: 42 })
  ),
  "a row repeated": rows((all) => all.toSpliced(41, 0, all[40]!)),
  "a row renumbered": row(40, () => ({ seq: 42 })),
  "all rows renumbered": rows((all) => all.map((one) => ({ ...one, seq: one.seq + 1 }))),
  "a row deleted": rows((all) => all.toSpliced(40, 1)),
  "a row deleted, others renumbered": rows((all) =>
    all.toSpliced(40, 1).map((one, at) => ({ ...one, seq: at + 1 }))
  ),
  "head moved back": (image) => ({ ...image, head: { seq: SIZE - 1, hash: image.rows[SIZE - 2]!.hash } }),
  "head hash changed": (image) => ({ ...image, head: { seq: SIZE, hash: "cd".repeat(32) } }),
  "head moved forward": (image) => ({ ...image, head: { seq: SIZE + 1, hash: "cd".repeat(32) } }),
  "chain of another tenant": async () => await imageOf(textsOf(honestEvents("globex", 400)), SIZE, "globex"),
  "events of another tenant, rechained": rebuilt(() => honestEvents("globex", 400)),
  "one event of another tenant, rechained": rebuilt((events) =>
    events.with(3, honestEvents("globex", 4)[3]!)
  ),
  "an event of another log, rechained": rebuilt((events) => {
    (events[3]!.metadata as Record<string, unknown>).log_name = "another";
    return events;
  }),
  "a field changed, rechained": rebuilt((events) => events.with(3, { ...events[3]!, message: "nothing" })),
  "the first event dropped, rechained": rebuilt((events) => events.slice(1)),
  "the last event dropped, rechained": rebuilt((events) => events.slice(0, -1)),
  "events cut to half, rechained": rebuilt((events) => events.slice(0, SIZE / 2)),
  "an event inserted, rechained": rebuilt((events) =>
    events.toSpliced(9, 0, {
      ...events[8]!,
      metadata: { ...events[8]!.metadata as JsonObject, event_code: "tenant.updated" },
    })
  ),
  "two events swapped, rechained": rebuilt((events) => events.with(8, events[9]!).with(9, events[8]!)),
  "another history, rechained": rebuilt(() => honestEvents(CHAIN, 400, 77)),
  "a second outcome, rechained": rebuilt((events) => {
    const ended = events.findIndex((event) => codeOf(event) === "call.ended");
    return [...events, events[ended]!];
  }),
  "an outcome of nothing, rechained": rebuilt((events) => [
    ...events,
    {
      ...events[0]!,
      metadata: { ...events[0]!.metadata as JsonObject, event_code: "call.ended", correlation_uid: "x" },
    },
  ]),
  "no JSON, rechained": async (image) => ({
    ...await imageOf(TEXTS, SIZE),
    checkpoint: image.checkpoint,
    rows: image.rows.with(SIZE - 1, {
      seq: SIZE,
      canonical: "nonsense",
      hash: hex(nextHash(Buffer.from(image.rows[SIZE - 2]!.hash, "hex"), "nonsense")),
    }),
  }),
  "the checkpoint signed with another key": (image) => ({
    ...image,
    checkpoint: checkpointOf(TEXTS, SIZE, generateKeyPairSync("ed25519").privateKey),
  }),
  "the checkpoint's text changed": (image) => ({
    ...image,
    checkpoint: {
      ...image.checkpoint!,
      note: image.checkpoint!.note.replace(`\n${SIZE}\n`, `\n${SIZE - 1}\n`),
    },
  }),
  "the checkpoint's size changed": (image) => ({
    ...image,
    checkpoint: { ...image.checkpoint!, size: SIZE - 1 },
  }),
  "the checkpoint's root changed": (image) => ({
    ...image,
    checkpoint: { ...image.checkpoint!, root: new Uint8Array(32).fill(9) },
  }),
  "the checkpoint of another log": (image) => {
    const origin = "gateway.example/globex";
    const { root } = image.checkpoint!;
    const note = signCheckpoint({ origin, size: SIZE, root }, [ed25519Signer(origin, KEY)]);
    return { ...image, checkpoint: { ...image.checkpoint!, note } };
  },
  "the checkpoint emptied": (image) => ({ ...image, checkpoint: { ...image.checkpoint!, note: "" } }),
  "an outcome left out by the gateway itself": async () => {
    const last = EVENTS.findLastIndex((event) => codeOf(event) === "call.ended");
    const image = await imageOf(textsOf(EVENTS.toSpliced(last, 1)), SIZE - 1);
    return { ...image, open: new Set() };
  },
};

Deno.test("verifyChain() finds every way of cheating with the database", async () => {
  assert.ok(Object.keys(CHEATS).length >= 40);
  const honest = await imageOf(TEXTS, SIZE);
  for (const [name, cheat] of Object.entries(CHEATS)) {
    const report = await verify(await cheat(honest), { expected: checkpointOf(TEXTS, 200).note });
    assert.equal(report.verdict, "broken", `${name}: ${JSON.stringify(report)}`);
    assert.ok(report.broken !== undefined && report.broken.expected !== "", name);
  }
});

Deno.test("verifyChain() finds every changed member of an event, chained anew", async () => {
  const honest = await imageOf(TEXTS, SIZE);
  const paths = [["time"], ["message"], ["metadata", "uid"], ["metadata", "event_code"], [
    "metadata",
    "tenant_uid",
  ]];
  for (
    const [outer, inner] of [...paths, ["metadata", "correlation_uid"], ["metadata", "log_name"], [
      "unmapped",
    ]]
  ) {
    const change = (event: JsonObject): JsonObject =>
      inner === undefined
        ? { ...event, [outer!]: 1 }
        : { ...event, [outer!]: { ...event[outer!] as JsonObject, [inner]: "x" } };
    const cheat = rebuilt((events) => events.with(12, change(events[12]!)));
    assert.equal((await verify(await cheat(honest))).verdict, "broken", `${outer}.${inner}`);
  }
});

/** Whole in itself, and the same as ours up to event 200. */
const FORK = textsOf([
  ...EVENTS.slice(0, 200),
  ...EVENTS.map((event, at) => ({
    ...event,
    metadata: { ...event.metadata as JsonObject, event_code: "tenant.updated", uid: `fork-${at}` },
  })),
]);

Deno.test("verifyChain() finds an old backup and a fork after it by the checkpoint that the asker holds", async () => {
  const expected = checkpointOf(TEXTS, 300).note;
  const backup = await imageOf(TEXTS.slice(0, 200), 200);
  const rolledBack = await verify(backup, { expected });
  assert.deepEqual([rolledBack.verdict, rolledBack.broken?.what], ["broken", "missing"]);
  // The operator signs the fork: only who holds an earlier checkpoint can tell.
  const forked = await imageOf(FORK, FORK.length);
  assert.equal((await verify({ ...forked, open: forked.open })).verdict, "verified");
  const report = await verify(forked, { expected });
  assert.deepEqual([report.verdict, report.broken?.what, report.broken?.seq], ["broken", "checkpoint", 300]);
});

/** Signed by the operator, who has the key and the database: only what is kept elsewhere tells. */
const KEPT_CHEATS: Readonly<Record<string, Cheat>> = {
  "newest events, head and newest checkpoints deleted": () => imageOf(TEXTS.slice(0, 300), 300),
  "another history, signed": () => imageOf(textsOf(honestEvents(CHAIN, 400, 77)), SIZE),
  "a fork after a restored backup, signed": () => imageOf(FORK, FORK.length),
  "all rows of the chain deleted": (image) => ({
    ...image,
    rows: [],
    head: undefined,
    checkpoint: undefined,
  }),
  "all events deleted, head at the beginning": async () => await imageOf([], 0),
  "all checkpoints deleted": (image) => ({ ...image, checkpoint: undefined }),
};

Deno.test("verifyChain() finds every way of cheating by the checkpoint in the second place, whatever the asker holds", async () => {
  const honest = await imageOf(TEXTS, SIZE);
  const held = () => Promise.resolve({ note: checkpointOf(TEXTS, SIZE).note });
  assert.equal((await verify(honest, { held })).verdict, "verified");
  for (const [name, cheat] of Object.entries({ ...CHEATS, ...KEPT_CHEATS })) {
    const { verdict, broken } = await verify(await cheat(honest), { held });
    assert.equal(verdict, "broken", name);
    assert.ok(broken !== undefined && broken.expected !== "", name);
  }
  const { broken } = await verify(
    await KEPT_CHEATS["newest events, head and newest checkpoints deleted"]!(honest),
    { held },
  );
  assert.deepEqual(broken, {
    ...{ seq: 301, what: "missing", found: "300 events" },
    expected: `${SIZE} events, as the checkpoint in the second place says`,
  });
});

Deno.test("verifyChain() goes on after a verified checkpoint and holds the chain against an older one in the second place", async () => {
  const image = await imageOf(TEXTS, SIZE);
  const since = checkpointOf(TEXTS, 500).note;
  for (const size of [0, 1, 100, 256, 499, 500, SIZE]) {
    const held = () => Promise.resolve({ note: checkpointOf(TEXTS, size).note });
    assert.equal((await verify(image, { since, held })).verdict, "verified");
  }
  // Leaves of another history stand in the tiles, under roots of this one.
  const other = textsOf(honestEvents(CHAIN, 400, 77));
  const [first, foreign] = [image.tiles.get("0/0")!, (await imageOf(other, SIZE)).tiles.get("0/0")!];
  const tiles = new Map([...image.tiles, ["0/0", { ...first, hashes: foreign.hashes }]]);
  for (const size of [100, 255]) {
    const held = () => Promise.resolve({ note: checkpointOf(other, size).note });
    const { broken } = await verify({ ...image, tiles }, { since, held });
    assert.deepEqual([broken?.seq, broken?.what], [size, "checkpoint"]);
  }
  const held = () => Promise.resolve({ note: checkpointOf(TEXTS, 100).note });
  const { broken } = await verify({ ...image, tiles: new Map() }, {
    since: checkpointOf(TEXTS, 0).note,
    held,
  });
  assert.equal(broken, undefined, "recomputed, whatever the tiles are");
});

Deno.test("verifyChain() is not content with what none of this log's keys signed in the second place, nor with what a place holds", async () => {
  const image = await imageOf(TEXTS, SIZE);
  const stranger = checkpointOf(TEXTS, SIZE, generateKeyPairSync("ed25519").privateKey).note;
  for (const note of ["", "x\n", stranger]) {
    const { broken } = await verify(image, { held: () => Promise.resolve({ note }) });
    assert.equal(broken?.what, "signature");
    assert.match(broken.expected, /in the second place$/);
  }
  const told = async (code: "rolled_back" | "forked", size: number) => {
    const { verdict, broken } = await verify(image, {
      held: () => Promise.resolve({ conflict: { code, size } }),
    });
    return [verdict, broken?.what, broken?.seq];
  };
  assert.deepEqual(await told("rolled_back", SIZE + 9), ["broken", "missing", SIZE + 1]);
  assert.deepEqual(await told("rolled_back", 90), ["broken", "checkpoint", 90]);
  assert.deepEqual(await told("forked", 90), ["broken", "checkpoint", 90]);
});
