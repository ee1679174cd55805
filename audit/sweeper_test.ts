import assert from "node:assert/strict";
import type { AuditEntry } from "../core/audit_entry.ts";
import { createSweeper, type OpenDecision } from "./sweeper.ts";

const source = { logId: "log", version: "0", replicaId: "me", configDigest: "c" };
const event = JSON.stringify({
  api: { operation: "pay_invoice", service: { name: "acme" } },
  actor: { app_uid: "agent-1" },
  src_endpoint: { ip: "10.0.0.1" },
});

function world(open: Record<string, string[]>, expired: string[], live: string[] = [], graceMs = 0) {
  const entries: AuditEntry[] = [];
  const decisions = new Map(Object.entries(open).map(([replica, ids]) => [replica, new Set(ids)]));
  const removed: string[] = [];
  const recorded: string[] = [];
  const asked = { before: 0 };
  let id = 0;
  const sweeper = createSweeper({
    store: {
      expiredReplicas: () => Promise.resolve(expired),
      removeReplica: (replicaId) => Promise.resolve(void removed.push(replicaId)),
      removeExpired: () => Promise.resolve(),
      openDecisions: (replicaId, afterId, limit) =>
        Promise.resolve(
          [...decisions.get(replicaId) ?? []].sort().filter((id) => id > afterId).slice(0, limit)
            .map((decisionId): OpenDecision => ({ decisionId, chain: "acme", event })),
        ),
    },
    append: (entry) => {
      const condition = entry.conditions[0];
      assert.equal(condition?.kind, "close_decision");
      for (const ids of decisions.values()) {
        if (condition.kind === "close_decision") ids.delete(condition.decision_id);
      }
      return Promise.resolve({ status: "appended", seq: entries.push(entry), hash: "" } as const);
    },
    source,
    settingsVersion: () => 1,
    newId: () => `e${++id}`,
    nowMs: () => 5,
    ...{ isLive: (decisionId) => live.includes(decisionId), graceMs },
    beforeUnknown: () => {
      asked.before++;
      decisions.get("dead")?.delete("known"); // a late record said how it ended
      return Promise.resolve();
    },
    onRecorded: (kind, count) => recorded.push(`${count} ${kind}`),
    onError: (error) => {
      throw error;
    },
  });
  return { sweeper, entries, removed, recorded, asked };
}

Deno.test("sweep() writes unknown for every open decision of an ended replica, then forgets it", async () => {
  const ids = Array.from({ length: 450 }, (_, index) => `d${index}`);
  const { sweeper, entries, removed, recorded } = world({ dead: ids }, ["dead"]);
  assert.equal(await sweeper.sweep(), 450);
  const outcome = JSON.parse(entries[0]?.canonical ?? "");
  assert.equal(outcome.unmapped.outcome, "unknown");
  assert.equal(outcome.api.operation, "pay_invoice");
  assert.equal(outcome.metadata.correlation_uid, "d0");
  assert.deepEqual(removed, ["dead"]);
  assert.deepEqual(recorded, ["200 unknown", "200 unknown", "50 unknown"]);
});

Deno.test("sweep() writes not_forwarded for its own decisions that were recorded too late, never for live ones", async () => {
  const { sweeper, entries } = world({ me: ["late", "live"] }, [], ["live"]);
  assert.equal(await sweeper.sweep(), 1);
  const outcome = JSON.parse(entries[0]?.canonical ?? "");
  assert.deepEqual([outcome.unmapped.outcome, outcome.metadata.correlation_uid], ["not_forwarded", "late"]);
});

Deno.test("sweep() finds its own dead decisions behind any number of live ones", async () => {
  const live = Array.from({ length: 450 }, (_, index) => `d${String(index).padStart(3, "0")}`);
  const { sweeper, entries } = world({ me: [...live, "d200x", "d999"] }, [], live);
  assert.equal(await sweeper.sweep(), 2);
  const of = entries.map(({ canonical }) => JSON.parse(canonical).metadata.correlation_uid);
  assert.deepEqual(of, ["d200x", "d999"]);
});

Deno.test("sweep() never treats itself as ended", async () => {
  const { sweeper, entries, removed } = world({ me: ["live"] }, ["me"], ["live"]);
  assert.equal(await sweeper.sweep(), 0);
  assert.deepEqual([entries.length, removed.length], [0, 0]);
});

Deno.test("sweep() leaves other replicas the time to renew their leases, and its own open decisions none", async () => {
  const { sweeper, entries, removed } = world({ me: ["mine"], dead: ["d1"] }, ["dead"], [], 60);
  assert.equal(await sweeper.sweep(), 1);
  assert.deepEqual([entries.length, removed], [1, []]);
  await new Promise((resolve) => setTimeout(resolve, 70));
  assert.equal(await sweeper.sweep(), 1);
  assert.deepEqual(removed, ["dead"]);
});

Deno.test("sweep() asks first what is known of the calls of ended replicas, and nobody when none has ended", async () => {
  const { sweeper, entries, asked } = world({ dead: ["known", "lost"] }, ["dead"]);
  await sweeper.sweep();
  const of = entries.map(({ canonical }) => JSON.parse(canonical).metadata.correlation_uid);
  assert.deepEqual([of, asked.before], [["lost"], 1]);
  const quiet = world({ me: ["live"] }, ["me"], ["live"]);
  await quiet.sweeper.sweep();
  assert.equal(quiet.asked.before, 0);
});
