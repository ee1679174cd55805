import assert from "node:assert/strict";
import type { AuditEntry } from "../core/audit_entry.ts";
import type { Tx } from "../core/tx.ts";
import { confirmerOf, createErasures, type ErasureStep } from "./erasures.ts";

/** Erasures over one chain in memory, whose steps take `microsPerEvent`; the events that ended are appended to `ends`. */
function world(lasts: Readonly<Record<string, number>>, microsPerEvent = 1_000) {
  const clock = { ms: 0 };
  const asked: number[] = [];
  const ends: AuditEntry[] = [];
  const errors: string[] = [];
  const state = { failures: 0, longestMs: Number.POSITIVE_INFINITY };
  const seqs = new Map(Object.keys(lasts).map((id) => [id, 0]));
  const erasures = createErasures({
    source: { logId: "log", version: "0", replicaId: "r", configDigest: "c" },
    ...{ settingsVersion: () => 1, newId: () => `e${ends.length}`, nowMs: () => 1, steadyMs: () => clock.ms },
    intervalMs: 1,
    onError: (id, error) => void errors.push(`${id}: ${error}`),
    store: {
      unfinished: () =>
        Promise.resolve([...seqs].filter(([id, seq]) => seq < (lasts[id] ?? 0)).map(([id]) => id)),
      step: (_, actionId, most): Promise<ErasureStep | undefined> => {
        asked.push(most);
        if (state.failures-- > 0) return Promise.reject(new Error("away"));
        if (most * microsPerEvent / 1_000 > state.longestMs) return Promise.reject(new Error("too slow"));
        clock.ms += most * microsPerEvent / 1_000;
        const last = lasts[actionId] ?? 0;
        const seq = Math.min((seqs.get(actionId) ?? 0) + most, last);
        seqs.set(actionId, seq);
        const of = { chain: "acme", details: { agent: "bot" }, confirmedBy: "bob" };
        const confirmer = confirmerOf("admin", "192.0.2.1");
        return Promise.resolve({ actionId, ...of, confirmer, seq, last, salts: seq, values: 1 });
      },
      transact: (work) => work({} as Tx),
      appendIn: (_, entries) => Promise.resolve(ends.push(...entries)),
    },
  });
  return { erasures, asked, ends, errors, state, seqs };
}

Deno.test("erasures go on one after the other until each has ended, and each end is recorded", async () => {
  const { erasures, ends, asked } = world({ a: 5_000, b: 10 }, 1);
  await erasures.goOn();
  assert.deepEqual(ends.map(({ canonical }) => JSON.parse(canonical).entity.data), [
    { agent: "bot", last: 5_000, request: "a", salts: 5_000, values: 1 },
    { agent: "bot", last: 10, request: "b", salts: 10, values: 1 },
  ]);
  const before = asked.length;
  await erasures.goOn();
  assert.equal(asked.length, before, "nothing is left");
});

Deno.test("steps are as long as they may take, and shorter after one that failed", async () => {
  const fast = world({ a: 100_000 }, 1);
  await fast.erasures.goOn();
  assert.deepEqual(fast.asked.slice(0, 4), [1_000, 2_000, 4_000, 8_000]);
  assert.ok(fast.asked.every((most) => most <= 20_000));
  const slow = world({ a: 1_000 }, 2_000);
  slow.state.longestMs = 200;
  for (let round = 0; round < 6; round++) await slow.erasures.goOn();
  assert.deepEqual(slow.errors.length, 4, "1000, 500, 250 and 125 events took too long");
  assert.deepEqual([...new Set(slow.asked.slice(4))], [62, 50]);
  assert.equal(slow.ends.length, 1);
});

Deno.test("an erasure that fails is tried again by the timer, and close() ends after the step under way", async () => {
  const { erasures, errors, ends, state } = world({ a: 10 });
  state.failures = 2;
  erasures.start();
  while (ends.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(errors, ["a: Error: away", "a: Error: away"]);
  await erasures.close();
  const long = world({ a: 1e9 }, 1);
  long.erasures.wake();
  await long.erasures.close();
  assert.ok(long.asked.length <= 1, `${long.asked.length} steps`);
  assert.deepEqual(long.ends, []);
});
