import assert from "node:assert/strict";
import type { AppendResult, AuditEntry } from "../core/audit_entry.ts";
import { createAppender } from "./appender.ts";
import type { LateKeys } from "./late_file.ts";
import type { LateFiles, Missing } from "./late_port.ts";
import { createLateRecords } from "./late_records.ts";

const keys: LateKeys = { active: "k1", keys: new Map([["k1", new Uint8Array(32).fill(1)]]) };

/** A folder in memory that several processes use one after the other. */
class Folder {
  readonly texts = new Map<string, string>();
  /** Files that a process which lives has locked. */
  readonly living = new Set<string>();
  isFull = false;
  /** Bytes that all files may have together. */
  room = Infinity;
  processes = 0;
  /** So many files are not put aside. */
  failingMoves = 0;
  /** Readings of files so far, and those that fail at their end, by number. */
  readings = 0;
  readonly broken = new Set<number>();
  /** Bytes of the next append that get through before it fails. */
  failsAfter: number | undefined;

  files(): LateFiles {
    const own = new Set<string>();
    return {
      create: (name) => {
        this.#refuseWhenFull();
        this.texts.set(name, "");
        own.add(name);
        const append = (text: string) => {
          this.#refuseWhenFull(text);
          const after = this.failsAfter ?? text.length;
          this.failsAfter = undefined;
          this.texts.set(name, this.texts.get(name) + text.slice(0, after));
          return after < text.length ? Promise.reject(new Error("no space left")) : Promise.resolve();
        };
        return Promise.resolve({ append: async (text) => await append(text), close: () => {} });
      },
      adopt: () => {
        const left = [...this.texts].filter(([name]) =>
          !own.has(name) && !this.living.has(name) && !name.endsWith(".set_aside")
        );
        for (const [name] of left) own.add(name);
        return Promise.resolve(left.map(([name, text]) => ({ name, bytes: text.length })));
      },
      times: () => Promise.resolve({ startMs: 400, endMs: 700 }),
      read: (name) => this.#read(this.texts.get(name) ?? ""),
      replace: async (name, text) => {
        await Promise.resolve(this.#refuseWhenFull(text)); // the old one stands until the new one is whole
        this.texts.set(name, text);
        own.add(name);
      },
      setAside: (name) => {
        if (this.failingMoves-- > 0) return Promise.reject(new Error("cannot be moved"));
        this.texts.set(`${name}.set_aside`, this.texts.get(name) ?? "");
        return Promise.resolve(void this.texts.delete(name));
      },
      remove: (name) => Promise.resolve(void this.texts.delete(name)),
      release: (name) => void own.delete(name),
      close: () => {},
    };
  }

  async *#read(text: string): AsyncGenerator<Uint8Array> {
    const reading = ++this.readings;
    yield await Promise.resolve(new TextEncoder().encode(text));
    if (this.broken.has(reading)) throw new Error("cannot be read on");
  }

  #refuseWhenFull(text = ""): void {
    const bytes = [...this.texts.values(), text].reduce((sum, { length }) => sum + length, 0);
    if (this.isFull || bytes > this.room) throw new Error("no space left on device");
  }
}

/** Chains that take every event id once, as the database does. */
class Chains {
  readonly entries: AuditEntry[] = [];
  isAway = false;
  /** Chains that do not exist: the statement is refused. */
  readonly unknown = new Set<string>();
  /** The answer is lost although it was done. */
  losesAnswers = false;
  batches = 0;

  append(batch: readonly AuditEntry[]): Promise<AppendResult[]> {
    this.batches++;
    if (this.isAway) return Promise.reject(new Error("away"));
    if (batch.some(({ chain }) => this.unknown.has(chain))) return Promise.reject(new RangeError("refused"));
    const results = batch.map((entry): AppendResult => {
      const asked = entry.conditions.findIndex(({ kind }) => kind === "not_recorded");
      const isKnown = this.entries.some(({ eventId }) => eventId === entry.eventId);
      if (isKnown && asked < 0) throw new RangeError("twice");
      if (isKnown) return { status: "conflict", condition: asked };
      return { status: "appended", seq: this.entries.push(entry), hash: "" };
    });
    return this.losesAnswers ? Promise.reject(new Error("lost")) : Promise.resolve(results);
  }

  events(chain = "acme") {
    return this.entries.filter((entry) => entry.chain === chain).map(({ canonical }) =>
      JSON.parse(canonical)
    );
  }
}

function process(folder: Folder, chains: Chains, options: { maxBytes?: number; adoptMs?: number } = {}) {
  const lost: Missing[] = [];
  const seen = { recorded: 0, known: 0, torn: 0, gaps: 0, first: 0, failed: 0, adopted: 0 };
  let id = 0;
  const replicaId = `r${++folder.processes}`;
  const late = createLateRecords({
    ...{ files: folder.files(), keys, newId: () => `${replicaId}-gap-${++id}`, nowMs: () => 1_000 + id },
    appender: createAppender({
      append: (batch) => chains.append(batch),
      isRefusal: (error) => error instanceof RangeError,
    }),
    isRefusal: (error) => error instanceof Error && error.cause instanceof RangeError,
    ...{ isAway: () => chains.isAway, source: { logId: "log", version: "0", replicaId, configDigest: "c" } },
    ...{ settingsVersion: () => 1, maxBytes: options.maxBytes ?? 1_000_000, retryMs: 1_000_000, restMs: 5 },
    adoptMs: options.adoptMs ?? 1_000_000,
    watch: {
      kept: (isFirst) => void (isFirst && seen.first++),
      recorded: (counts) => {
        seen.recorded += counts.recorded;
        seen.known += counts.known;
      },
      lost: (missing) => void lost.push(missing),
      gapRecorded: () => void seen.gaps++,
      torn: () => void seen.torn++,
      adopted: (files) => void (seen.adopted += files),
      failed: () => void seen.failed++,
    },
  });
  return { late, lost, seen };
}

const entry = (eventId: string, chain = "acme", text = "", time = 5): AuditEntry => ({
  ...{ chain, eventId, salt: new Uint8Array(32).fill(3), conditions: [] },
  canonical: JSON.stringify({ text, time, unmapped: { n: eventId } }),
});
const DECISION = { what: "decision" } as const;

Deno.test("what is kept is appended in order, marked, with its salt, once the database takes it", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  const { late, seen } = process(folder, chains);
  chains.isAway = true;
  const told: AppendResult[] = [];
  for (let n = 0; n < 100; n++) {
    assert.equal(
      await late.keep(entry(`e${n}`), { ...DECISION, onRecorded: (result) => told.push(result) }),
      true,
    );
  }
  assert.equal(late.waiting().records, 100);
  await late.replay();
  assert.deepEqual([chains.entries.length, late.waiting().records, told.length], [0, 100, 0]);
  chains.isAway = false;
  await late.replay();
  assert.deepEqual(
    chains.entries.map(({ eventId }) => eventId),
    Array.from({ length: 100 }, (_, n) => `e${n}`),
  );
  assert.deepEqual(chains.entries[0]?.salt, new Uint8Array(32).fill(3));
  assert.deepEqual(chains.events()[0], {
    text: "",
    time: 5,
    unmapped: { n: "e0", recorded_late: { kept_at: 1_000 } },
  });
  assert.deepEqual(late.waiting(), { records: 0, bytes: 0 });
  assert.deepEqual([folder.texts.size, told.length, seen.recorded, seen.first], [0, 100, 100, 1]);
  await late.close();
});

Deno.test("a file survives its process, and the next one appends it before it does anything else", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  chains.isAway = true;
  const killed = process(folder, chains);
  for (let n = 0; n < 70; n++) await killed.late.keep(entry(`e${n}`), DECISION);
  chains.isAway = false;
  const next = process(folder, chains);
  await next.late.start();
  assert.deepEqual(
    chains.entries.map(({ eventId }) => eventId),
    Array.from({ length: 70 }, (_, n) => `e${n}`),
  );
  assert.deepEqual([folder.texts.size, next.late.waiting().bytes], [0, 0]);
  await next.late.close();
});

Deno.test("what is in the chain already stays there once: the first attempt, a replay whose answer was lost, a kill", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  const killed = process(folder, chains);
  await chains.append([entry("e1")]); // its answer came too late: so it is kept
  for (const id of ["e1", "e2", "e3"]) await killed.late.keep(entry(id), DECISION);
  chains.losesAnswers = true;
  await killed.late.replay();
  chains.losesAnswers = false;
  const next = process(folder, chains);
  await next.late.start();
  assert.deepEqual(chains.entries.map(({ eventId }) => eventId), ["e1", "e2", "e3"]);
  assert.deepEqual([next.seen.recorded, next.seen.known], [0, 3]);
  assert.equal(chains.events()[0].unmapped.recorded_late, undefined, "the first attempt was not late");
  await next.late.close();
});

Deno.test("beyond the bound a gap says how many are missing from which chain and when, once, after everything else", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  chains.isAway = true;
  const { late, lost, seen } = process(folder, chains, { maxBytes: 4_000 });
  let kept = 0;
  for (let n = 0; n < 40; n++) if (await late.keep(entry(`e${n}`), DECISION)) kept++;
  assert.ok(kept > 5 && kept < 20, `${kept}`);
  assert.equal(
    await late.keep(entry("other", "other"), DECISION),
    true,
    "a chain that kept nothing has room",
  );
  assert.equal(await late.keep(entry("e99"), { what: "other" }), false, "and what has another way is no gap");
  assert.equal(lost.length, 40 - kept);
  assert.ok(late.waiting().bytes <= 4_000);
  chains.isAway = false;
  await late.replay();
  const events = chains.events();
  assert.equal(events.length, kept + 1);
  const gap = events.at(-1);
  assert.deepEqual(
    [gap.metadata.event_code, gap.count, gap.status_code, gap.unmapped.gap.what],
    ["audit.gap", 40 - kept, "bound", "decisions"],
  );
  assert.ok(gap.start_time <= gap.end_time && gap.start_time >= 1_000);
  assert.deepEqual([seen.gaps, folder.texts.size], [1, 0]);
  await late.replay();
  assert.equal(chains.events().length, kept + 1, "once");
  await late.close();
});

Deno.test("the counts of a gap survive a stop, and a replay whose answer was lost counts them once", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  chains.isAway = true;
  const stopped = process(folder, chains, { maxBytes: 100 });
  for (let n = 0; n < 7; n++) await stopped.late.keep(entry(`e${n}`), DECISION);
  await stopped.late.close();
  chains.isAway = false;
  chains.losesAnswers = true;
  const killed = process(folder, chains);
  await killed.late.start();
  chains.losesAnswers = false;
  const next = process(folder, chains);
  await next.late.start();
  assert.deepEqual(chains.events().map(({ count }) => count), [7]);
  assert.equal(folder.texts.size, 0);
  await next.late.close();
  await killed.late.close();
});

Deno.test("a folder that takes nothing is a gap too, and the file that broke is read as far as it got", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  chains.isAway = true;
  const { late, lost, seen } = process(folder, chains);
  assert.equal(await late.keep(entry("e1"), DECISION), true);
  folder.failsAfter = 30;
  assert.equal(await late.keep(entry("e2"), DECISION), false);
  folder.isFull = true;
  assert.equal(await late.keep(entry("e3"), DECISION), false);
  folder.isFull = false;
  await new Promise((resolve) => setTimeout(resolve, 20)); // it is left alone for a while
  assert.equal(await late.keep(entry("e4"), DECISION), true);
  assert.deepEqual(lost.map(({ reason }) => reason), ["unwritable", "unwritable"]);
  chains.isAway = false;
  await late.replay();
  assert.deepEqual(chains.entries.slice(0, 2).map(({ eventId }) => eventId), ["e1", "e4"]);
  assert.deepEqual([chains.events().at(-1).count, chains.events().at(-1).status_code], [2, "unwritable"]);
  assert.deepEqual([seen.torn, folder.texts.size], [1, 0]);
  await late.close();
});

Deno.test("a disk that late records have filled gets its room back, and every gap is told", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  chains.isAway = true;
  folder.room = 3_000;
  const { late, lost } = process(folder, chains);
  for (let n = 0; n < 40; n++) await late.keep(entry(`e${n}`, "acme", "x".repeat(400)), DECISION);
  assert.ok(lost.length > 30 && lost.length < 40, `${lost.length} of 40`);
  folder.room = [...folder.texts.values()].reduce((sum, { length }) => sum + length, 0);
  chains.isAway = false;
  await late.replay();
  assert.equal(chains.events().length, 40 - lost.length + 1);
  assert.deepEqual([chains.events().at(-1).count, folder.texts.size], [lost.length, 0]);
  assert.deepEqual(late.waiting(), { records: 0, bytes: 0 });
  await late.close();
});

Deno.test("counts that an ended process left on a full disk hold up nothing and are recorded once", async () => {
  for (const fill of [(folder: Folder) => folder.room = 1_500, (folder: Folder) => folder.isFull = true]) {
    const [folder, chains] = [new Folder(), new Chains()];
    chains.isAway = true;
    const [bound, keeping] = [process(folder, chains, { maxBytes: 100 }), process(folder, chains)];
    for (let n = 0; n < 7; n++) await bound.late.keep(entry(`lost${n}`), DECISION);
    await bound.late.close();
    await keeping.late.keep(entry("kept", "acme", "x".repeat(900)), DECISION);
    assert.deepEqual([...folder.texts.keys()], ["r1.gaps", "r2-1.late"]);
    fill(folder);
    const next = process(folder, chains);
    await next.late.start();
    for (let time = 0; time < 3; time++) await next.late.replay();
    assert.deepEqual([next.late.waiting().records, folder.texts.size], [1, 2], "the gap is no record");
    chains.isAway = false;
    await next.late.replay();
    assert.deepEqual(chains.events().map(({ unmapped, count }) => unmapped.n ?? count), ["kept", 7]);
    assert.deepEqual([folder.texts.size, next.late.waiting()], [0, { records: 0, bytes: 0 }]);
    await keeping.late.close();
    await next.late.close();
  }
});

Deno.test("without database and disk an outage leaves two gaps in a chain, and not one for every try", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  const { late } = process(folder, chains);
  chains.isAway = folder.isFull = true;
  for (let n = 0; n < 50; n++) {
    await late.keep(entry(`e${n}`), DECISION);
    await late.replay();
  }
  chains.isAway = false;
  await late.replay();
  assert.deepEqual(chains.events().map(({ count }) => count), [1, 49]);
  await late.close();
});

Deno.test("a file of counts that is read again counts no record twice", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  chains.isAway = true;
  const stopped = process(folder, chains, { maxBytes: 100 });
  await stopped.late.keep(entry("e1"), DECISION);
  await stopped.late.close();
  for (const reading of [2, 3]) folder.broken.add(reading);
  const next = process(folder, chains);
  await next.late.start(); // the first reading counts what is there
  await next.late.replay();
  assert.deepEqual([next.seen.failed, next.late.waiting().records], [2, 0]);
  chains.isAway = false;
  await next.late.replay();
  assert.deepEqual(chains.events().map(({ count }) => count), [1]);
  assert.deepEqual([next.late.waiting(), folder.texts.size], [{ records: 0, bytes: 0 }, 0]);
  await next.late.close();
});

Deno.test("a damaged file is believed up to the damage, set aside, and what is left of it is a gap of the installation", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  chains.isAway = true;
  const killed = process(folder, chains);
  for (let n = 0; n < 5; n++) await killed.late.keep(entry(`e${n}`), DECISION);
  const [[name, text] = ["", ""]] = folder.texts;
  folder.texts.set(name, text.replace('\\"n\\":\\"e2\\"', '\\"n\\":\\"XX\\"'));
  chains.isAway = false;
  folder.failingMoves = 2;
  const next = process(folder, chains);
  await next.late.start();
  for (let time = 0; time < 2; time++) await next.late.replay();
  assert.equal(next.seen.failed, 2);
  assert.deepEqual(chains.events().map(({ unmapped }) => unmapped.n), ["e0", "e1"]);
  const [gap] = chains.events("~installation");
  assert.deepEqual([gap.count, gap.status_code, gap.unmapped.gap.what], [3, "damaged", "records"]);
  assert.deepEqual([gap.start_time, gap.end_time], [400, 700], "the file's own times");
  assert.deepEqual([...folder.texts.keys()], [`${name}.set_aside`]);
  await next.late.close();
});

Deno.test("a record that the database refuses does not hold up the others", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  chains.isAway = true;
  const { late } = process(folder, chains);
  for (let n = 0; n < 40; n++) {
    await late.keep(entry(`e${n}`, n % 8 === 3 ? "gone" : "acme", "", 5 + n), DECISION);
  }
  chains.isAway = false;
  chains.unknown.add("gone");
  await late.replay();
  assert.equal(chains.events().length, 35);
  const [gap] = chains.events("~installation");
  assert.deepEqual([gap.count, gap.status_code], [5, "refused"]);
  assert.deepEqual([gap.start_time, gap.end_time], [8, 40], "when they were decided");
  assert.ok([...folder.texts.keys()].every((name) => name.endsWith(".set_aside")));
  await late.close();
});

Deno.test("start() throws for a file of another log or an unknown key, and leaves it alone", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  chains.isAway = true;
  await process(folder, chains).late.keep(entry("e1"), DECISION);
  const [[name, text] = ["", ""]] = folder.texts;
  for (const [was, now] of [['"log_id":"log"', '"log_id":"xxx"'], ['"kid":"k1"', '"kid":"k9"']] as const) {
    folder.texts.set(name, text.replace(was, now));
    await assert.rejects(process(folder, chains).late.start(), { code: "late_records_unusable" });
    assert.equal(folder.texts.has(name), true);
  }
});

Deno.test("while the database is away one record asks whether it is back", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  chains.isAway = true;
  const { late } = process(folder, chains);
  for (let n = 0; n < 64; n++) await late.keep(entry(`e${n}`), DECISION);
  const before = chains.batches;
  await late.replay();
  assert.equal(chains.batches - before, 1);
  await late.close();
});

Deno.test("many at once share a write, and records kept while a file is replayed go into the next one", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  const { late } = process(folder, chains);
  const first = await Promise.all(Array.from({ length: 50 }, (_, n) => late.keep(entry(`a${n}`), DECISION)));
  const replaying = late.replay();
  const second = await Promise.all(Array.from({ length: 50 }, (_, n) => late.keep(entry(`b${n}`), DECISION)));
  await replaying;
  await late.replay();
  assert.ok([...first, ...second].every((isKept) => isKept));
  assert.equal(new Set(chains.entries.map(({ eventId }) => eventId)).size, 100);
  assert.deepEqual([late.waiting(), folder.texts.size], [{ records: 0, bytes: 0 }, 0]);
  await late.close();
});

Deno.test("adopt() appends what a process left that ended meanwhile, and leaves that of one that lives", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  const { late, seen } = process(folder, chains, { adoptMs: 1 });
  await late.start();
  const [dying, living] = [process(folder, chains, { maxBytes: 1_000 }), process(folder, chains)];
  chains.isAway = true;
  for (let n = 0; n < 10; n++) await dying.late.keep(entry(`dying${n}`, "acme", "x".repeat(150)), DECISION);
  await living.late.keep(entry("living"), DECISION);
  const kept = 10 - dying.lost.reduce((sum, { count }) => sum + count, 0);
  assert.ok(kept > 0 && kept < 10, `${kept} of 10 have room`);
  await new Promise((resolve) => setTimeout(resolve, 1_100)); // counts of gaps are written once a second
  folder.living.add("r3-1.late");
  assert.deepEqual([...folder.texts.keys()].toSorted(), ["r2-1.late", "r2.gaps", "r3-1.late"]);
  await late.adopt();
  assert.deepEqual([late.waiting().bytes, seen.adopted], [0, 0], "not while the database is away");
  chains.isAway = false;
  while (seen.gaps === 0) await new Promise((resolve) => setTimeout(resolve, 1)); // by the timer
  assert.deepEqual(chains.events().slice(0, kept).map(({ unmapped }) => unmapped.n).length, kept);
  assert.equal(
    chains.events().find(({ metadata }) => metadata?.event_code === "audit.gap")?.count,
    10 - kept,
  );
  assert.deepEqual([[...folder.texts.keys()], seen.adopted, late.waiting()], [
    ["r3-1.late"],
    2,
    { records: 0, bytes: 0 },
  ]);
  for (const { late } of [dying, living]) await late.close();
  await late.close();
});

Deno.test("adopt() leaves a file that it cannot use to the next start, and holds nothing else up for it", async () => {
  const [folder, chains] = [new Folder(), new Chains()];
  const { late, seen } = process(folder, chains);
  await late.start();
  const other = process(folder, chains);
  chains.isAway = true;
  await other.late.keep(entry("good"), DECISION);
  const [header = "", ...lines] = (folder.texts.get("r2-1.late") ?? "").split("\n");
  folder.texts.set(
    "r9-1.late",
    [header.replace('"k1"', '"k9"'), ...lines].join("\n").replace("r2-1", "r9-1"),
  );
  chains.isAway = false;
  await late.adopt();
  await late.adopt();
  assert.deepEqual(chains.events().map(({ unmapped }) => unmapped.n), ["good"]);
  assert.deepEqual([[...folder.texts.keys()], seen.failed, seen.adopted], [["r9-1.late"], 1, 1]);
  await other.late.close();
  await late.close();
});
