import assert from "node:assert/strict";
import { type AuditRow, INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import type { JsonObject } from "../core/json.ts";
import { startEntries, type StartReader } from "./start_record.ts";

const source = { logId: "log", version: "1", replicaId: "r1", configDigest: "c1" };
const start = {
  ...{ source, settingsVersion: 1, database: "embedded" as const, checkpointKeys: ["A="] },
  masterKey: { kid: "k1", fingerprint: "f1" },
  nowMs: () => 5,
};

/** A chain in memory that keeps what is recorded. */
function chain() {
  const rows: AuditRow[] = [];
  let reads = 0;
  const reader: StartReader = {
    head: () => Promise.resolve(rows.length === 0 ? undefined : { seq: rows.length }),
    read: (name, after, limit) => {
      assert.equal(name, INSTALLATION_CHAIN);
      reads++;
      return Promise.resolve(rows.slice(after, after + limit));
    },
  };
  const add = (canonical: string) => void rows.push({ seq: rows.length + 1, canonical, hash: "" });
  let id = 0;
  const begin = async (input: Partial<typeof start> = {}): Promise<JsonObject[]> => {
    const entries = await startEntries(reader, { ...start, ...input, newId: () => `e${++id}` });
    for (const entry of entries) add(entry.canonical);
    return entries.map(({ canonical }) => JSON.parse(canonical));
  };
  return { begin, add, reads: () => reads };
}

const shown = (events: readonly JsonObject[]) =>
  events.map((event) => {
    const { metadata, entity } = event as { metadata: JsonObject; entity?: JsonObject };
    return [metadata.event_code, ...(entity === undefined ? [] : [entity.uid])].join(" ");
  });

Deno.test("startEntries() records the first start with the keys that are new with it", async () => {
  const { begin } = chain();
  const events = await begin();
  assert.deepEqual(shown(events), ["gateway.started", "key.activated k1", "checkpoint_key.activated A="]);
  assert.equal((events[0]?.unmapped as JsonObject).previous, undefined);
});

Deno.test("startEntries() says nothing of what is as it was, whatever happened in between", async () => {
  const { begin, add, reads } = chain();
  await begin();
  for (let other = 0; other < 1_200; other++) add(`{"message":"not a \\"gateway.started\\"","n":${other}}`);
  const events = await begin();
  assert.deepEqual(shown(events), ["gateway.started"]);
  assert.deepEqual((events[0]?.unmapped as JsonObject).previous, {
    ...{ config_digest: "c1", replica: "r1", time: 5, version: "1" },
  });
  assert.equal(reads(), 3);
});

Deno.test("startEntries() records another configuration, another master key, and keys of checkpoints that come and go", async () => {
  const { begin } = chain();
  await begin();
  const other = { ...source, replicaId: "r2", configDigest: "c2" };
  const changed = await begin({
    ...{ source: other, checkpointKeys: ["B=", "A="], masterKey: { kid: "k2", fingerprint: "f2" } },
  });
  assert.deepEqual(shown(changed), [
    ...["gateway.started", "configuration.changed c2", "key.activated k2", "checkpoint_key.activated B="],
  ]);
  assert.deepEqual(changed.slice(1, 3).map(({ entity }) => (entity as JsonObject).data), [
    { previous: "c1" },
    { fingerprint: "f2", previous: "k1" },
  ]);
  const again = await begin({
    source: other,
    checkpointKeys: ["B="],
    masterKey: { kid: "k1", fingerprint: "f1" },
  });
  assert.deepEqual(shown(again), ["gateway.started", "key.activated k1", "checkpoint_key.retired A="]);
});

Deno.test("startEntries() reads a long chain without end no further than its bound", async () => {
  let reads = 0;
  const reader: StartReader = {
    head: () => Promise.resolve({ seq: 10_000_000 }),
    read: (_, after, limit) => {
      reads++;
      const row = (index: number) => ({ seq: after + index + 1, canonical: "{}", hash: "" });
      return Promise.resolve(Array.from({ length: limit }, (_, index) => row(index)));
    },
  };
  const entries = await startEntries(reader, { ...start, newId: () => "e" });
  assert.deepEqual([entries.length, reads], [3, 40]);
});
