import assert from "node:assert/strict";
import type { AppendResult, AuditEntry } from "../core/audit_entry.ts";
import { createAppender } from "./appender.ts";

const entry = (eventId: string, chain = "acme"): AuditEntry => ({
  ...{ chain, eventId, canonical: "{}", conditions: [] },
});
const appended = (seq: number): AppendResult => ({ status: "appended", seq, hash: "00" });

function recordingStore() {
  const batches: string[][] = [];
  const release: (() => void)[] = [];
  let seq = 0;
  const append = async (entries: readonly AuditEntry[]) => {
    batches.push(entries.map((one) => one.eventId));
    await new Promise<void>((resolve) => void release.push(resolve));
    return entries.map(() => appended(++seq));
  };
  return { batches, release, append };
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 1));

Deno.test("append() gathers what arrives while two batches are under way", async () => {
  const store = recordingStore();
  const appender = createAppender({ append: store.append });
  const first = appender.append(entry("a")).done;
  await tick();
  const second = appender.append(entry("b")).done;
  await tick();
  const rest = ["c", "d", "e"].map((id) => appender.append(entry(id)).done);
  await tick();
  assert.deepEqual(store.batches, [["a"], ["b"]]);
  store.release[0]?.();
  await first;
  await tick();
  assert.deepEqual(store.batches[2], ["c", "d", "e"]);
  store.release[1]?.();
  store.release[2]?.();
  assert.deepEqual((await Promise.all([second, ...rest])).map((result) => result.status), [
    ...Array(4).fill("appended"),
  ]);
  await appender.idle();
});

Deno.test("append() keeps batches at their largest size", async () => {
  const store = recordingStore();
  const appender = createAppender({ append: store.append, maxBatch: 3, maxInFlight: 1 });
  const all = Array.from({ length: 7 }, (_, index) => appender.append(entry(String(index))).done);
  for (let round = 0; round < 3; round++) {
    await tick();
    store.release[round]?.();
  }
  await Promise.all(all);
  assert.deepEqual(store.batches.map((batch) => batch.length), [3, 3, 1]);
});

Deno.test("append() rejects with audit_unavailable when the batch fails or the queue is full", async () => {
  const failing = createAppender({ append: () => Promise.reject(new Error("gone")) });
  await assert.rejects(failing.append(entry("a")).done, { code: "audit_unavailable" });
  const store = recordingStore();
  const full = createAppender({ append: store.append, maxInFlight: 1, maxQueue: 1 });
  const first = full.append(entry("a"));
  await tick();
  const second = full.append(entry("b"));
  await assert.rejects(full.append(entry("c")).done, /at most 1 may/);
  store.release[0]?.();
  await first.done;
  await tick();
  store.release[1]?.();
  await second.done;
});

Deno.test("cancel() takes back what was not sent, and says so when it was", async () => {
  const store = recordingStore();
  const appender = createAppender({ append: store.append, maxInFlight: 1 });
  const sent = appender.append(entry("a"));
  await tick();
  const waiting = appender.append(entry("b"));
  assert.equal(waiting.cancel(), true);
  assert.equal(sent.cancel(), false);
  store.release[0]?.();
  await sent.done;
  await appender.idle();
  assert.deepEqual(store.batches, [["a"]]);
});

Deno.test("append() puts an event of a quiet chain into the next batch, however many another chain has waiting", async () => {
  const store = recordingStore();
  const appender = createAppender({ append: store.append, maxBatch: 10, maxInFlight: 1 });
  const flood = Array.from({ length: 100 }, (_, index) => appender.append(entry(`flood ${index}`, "flood")));
  await tick();
  const quiet = appender.append(entry("quiet", "quiet"));
  store.release[0]?.();
  await tick();
  assert.equal(store.batches[1]?.length, 10);
  assert.ok(store.batches[1]?.includes("quiet"), String(store.batches[1]));
  for (let round = 1; round < 12; round++) {
    store.release[round]?.();
    await tick();
  }
  await Promise.all([quiet, ...flood].map(({ done }) => done));
  const order = store.batches.flat().filter((id) => id !== "quiet");
  assert.deepEqual(order, flood.map((_, index) => `flood ${index}`), "a chain keeps its order");
});

Deno.test("append() serves every chain in turn when there are more chains than places in a batch", async () => {
  const store = recordingStore();
  const appender = createAppender({ append: store.append, maxBatch: 4, maxInFlight: 1 });
  const first = appender.append(entry("first"));
  await tick();
  const all = Array.from(
    { length: 8 },
    (_, chain) => ["a", "b"].map((id) => appender.append(entry(`${chain}${id}`, `chain ${chain}`))),
  ).flat();
  for (let round = 0; round < 6; round++) {
    store.release[round]?.();
    await tick();
  }
  await Promise.all([first, ...all].map(({ done }) => done));
  assert.deepEqual(store.batches.slice(1, 3).flat(), Array.from({ length: 8 }, (_, chain) => `${chain}a`));
});

Deno.test("append() refuses by bytes too, keeps room for other chains, and never refuses what is owed", async () => {
  const store = recordingStore();
  const appender = createAppender({
    append: store.append,
    maxInFlight: 1,
    maxQueue: 16,
    maxQueueBytes: 1_000,
  });
  appender.append(entry("sent")).done.catch(() => {});
  await tick();
  const long = { ...entry("long", "long"), canonical: "x".repeat(400) };
  const taken = [appender.append(long), appender.append(long)];
  await assert.rejects(appender.append(long).done, { code: "audit_unavailable" });
  const flood = Array.from({ length: 20 }, (_, index) => appender.append(entry(String(index), "flood")));
  const refused = (await Promise.allSettled(flood.slice(12).map(({ done }) => done))).length;
  assert.equal(refused, 8);
  assert.equal(appender.queued(), 14, "two of sixteen places are kept");
  taken.push(appender.append(entry("quiet", "quiet")));
  for (let index = 0; index < 50; index++) {
    taken.push(appender.append(entry(`owed ${index}`, "flood"), { owed: true }));
  }
  assert.equal(appender.queued(), 65);
  store.release[0]?.();
  await tick();
  store.release[1]?.();
  await Promise.all(taken.map(({ done }) => done));
});

/** Refuses every batch that holds a bad event, as one statement does. */
function pickyStore(isBad: (id: string) => boolean) {
  const statements: string[][] = [];
  const append = (entries: readonly AuditEntry[]) => {
    statements.push(entries.map((one) => one.eventId));
    return entries.some((one) => isBad(one.eventId))
      ? Promise.reject(new Error("poison"))
      : Promise.resolve(entries.map((_, index) => appended(index)));
  };
  return { statements, append, isRefusal: (error: unknown) => String(error).includes("poison") };
}

Deno.test("append() fails only the event that the database refuses, with few more statements", async () => {
  const store = pickyStore((id) => id === "77");
  const appender = createAppender(store);
  const all = Array.from({ length: 256 }, (_, index) => appender.append(entry(String(index))).done);
  const settled = await Promise.allSettled(all);
  assert.deepEqual(settled.flatMap(({ status }, index) => status === "rejected" ? [index] : []), [77]);
  assert.ok(store.statements.length <= 17, `${store.statements.length} statements`);
  const written = store.statements.filter((ids) => !ids.includes("77")).flat();
  assert.deepEqual(written, [...written].sort((a, b) => Number(a) - Number(b)), "a chain keeps its order");
});

Deno.test("append() gives a batch up after 64 statements, and after one when the database itself failed", async () => {
  const allBad = pickyStore(() => true);
  const appender = createAppender(allBad);
  const all = Array.from({ length: 256 }, (_, index) => appender.append(entry(String(index))).done);
  const settled = await Promise.allSettled(all);
  assert.ok(settled.every(({ status }) => status === "rejected"));
  assert.ok(allBad.statements.length <= 64, `${allBad.statements.length} statements`);
  const away = pickyStore(() => true);
  const other = createAppender({ append: away.append, isRefusal: () => false });
  await Promise.allSettled(["a", "b"].map((id) => other.append(entry(id)).done));
  assert.equal(away.statements.length, 1);
});
