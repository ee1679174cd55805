import assert from "node:assert/strict";
import type { AppendResult, AuditEntry } from "../core/audit_entry.ts";
import { createAppender } from "./appender.ts";

const entry = (eventId: string): AuditEntry => ({ chain: "acme", eventId, canonical: "{}", conditions: [] });
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
