import assert from "node:assert/strict";
import type { AppendResult, AuditEntry } from "../core/audit_entry.ts";
import { createAppender } from "./appender.ts";
import { GapKeeper } from "./gap_keeper.ts";
import type { LateFiles } from "./late_port.ts";

/** A folder of one file, and chains of which some do not exist. */
function world() {
  const texts = new Map<string, string>();
  const state = { isAway: false, isAwayAfterRefusal: false, isFull: false };
  const never = () => Promise.reject(new Error("not asked for here"));
  const files: LateFiles = {
    ...{ create: never, adopt: never, times: never, setAside: never, close: () => {}, release: () => {} },
    read: () => ReadableStream.from([]),
    replace: (name, text) =>
      state.isFull ? Promise.reject(new Error("full")) : Promise.resolve(void texts.set(name, text)),
    remove: (name) => Promise.resolve(void texts.delete(name)),
  };
  const entries: AuditEntry[] = [];
  const unknown = new Set<string>();
  const append = (batch: readonly AuditEntry[]): Promise<AppendResult[]> => {
    if (state.isAway) return Promise.reject(new Error("away"));
    if (batch.some(({ chain }) => unknown.has(chain))) {
      state.isAway = state.isAwayAfterRefusal;
      return Promise.reject(new RangeError("Unknown audit chain"));
    }
    return Promise.resolve(
      batch.map((entry) => ({ status: "appended", seq: entries.push(entry), hash: "" })),
    );
  };
  const told: string[] = [];
  let [id, nowMs] = [0, 0];
  const keeper = new GapKeeper({
    ...{ files, keys: { active: "k1", keys: new Map([["k1", new Uint8Array(32)]]) } },
    appender: createAppender({ append, isRefusal: (error) => error instanceof RangeError }),
    isRefusal: (error) => error instanceof Error && error.cause instanceof RangeError,
    ...{
      source: { logId: "log", version: "0", replicaId: "r1", configDigest: "c" },
      settingsVersion: () => 1,
    },
    ...{ newId: () => `gap-${++id}`, nowMs: () => nowMs += 10 },
    watch: {
      ...{ kept: () => {}, adopted: () => {}, recorded: () => {}, lost: () => {}, torn: () => {} },
      gapRecorded: ({ chain, reason }) => void told.push(`${chain} ${reason}`),
      failed: (error) => void told.push(error instanceof Error ? error.message : ""),
    },
  });
  const lose = (chain: string) => keeper.lose({ chain, what: "decisions", reason: "bound", count: 1 });
  const gapsOf = (chain: string) =>
    entries.filter((entry) => entry.chain === chain).map(({ canonical }) => {
      const { count, status_code, start_time, end_time } = JSON.parse(canonical);
      return [count, status_code, start_time, end_time];
    });
  return { keeper, lose, gapsOf, unknown, texts, told, state };
}

Deno.test("a gap that the database refuses holds up no other one, and counts for the installation with its times", async () => {
  const { keeper, lose, gapsOf, unknown, texts, told } = world();
  for (const chain of ["gone", "acme", "also_gone", "gone", "globex"]) lose(chain);
  for (const chain of ["gone", "also_gone"]) unknown.add(chain);
  await keeper.record();
  assert.deepEqual([gapsOf("acme"), gapsOf("globex")], [[[1, "bound", 20, 20]], [[1, "bound", 50, 50]]]);
  assert.deepEqual(gapsOf("~installation"), [[3, "refused", 10, 40]]);
  assert.deepEqual([keeper.isEmpty, texts.size], [true, 0]);
  assert.deepEqual(told, [
    'The database refused the gap of "gone": 2 decisions, bound',
    "acme bound",
    'The database refused the gap of "also_gone": 1 decisions, bound',
    "globex bound",
    "~installation refused",
  ]);
  await keeper.close();
});

Deno.test("a gap that no chain takes is kept, and recorded once it is taken", async () => {
  const { keeper, lose, gapsOf, unknown, texts } = world();
  for (const chain of ["gone", "acme"]) lose(chain);
  for (const chain of ["gone", "~installation"]) unknown.add(chain);
  for (let time = 0; time < 3; time++) await keeper.record();
  assert.deepEqual([gapsOf("acme").length, texts.size], [1, 1]);
  unknown.delete("~installation");
  await keeper.record();
  assert.deepEqual(gapsOf("~installation"), [[1, "refused", 10, 10]]);
  assert.equal(texts.size, 0);
  await keeper.close();
});

Deno.test("a database that goes away between a refusal and the event about it loses no count", async () => {
  const { keeper, lose, gapsOf, unknown, state } = world();
  for (const chain of ["gone", "acme"]) lose(chain);
  unknown.add("gone");
  state.isAwayAfterRefusal = true;
  await assert.rejects(keeper.record(), /the append failed/);
  state.isAway = false;
  await keeper.record();
  assert.deepEqual([gapsOf("acme").length, gapsOf("~installation")], [1, [[1, "refused", 10, 10]]]);
  assert.equal(keeper.isEmpty, true);
  await keeper.close();
});

Deno.test("what is lost while the database is away is counted in two gaps of a chain, however often it is tried", async () => {
  const { keeper, lose, gapsOf, state } = world();
  state.isAway = true;
  for (let time = 0; time < 20; time++) {
    lose("acme");
    await assert.rejects(keeper.record(), /the append failed/);
  }
  state.isAway = false;
  await keeper.record();
  assert.deepEqual(gapsOf("acme").map(([count]) => count), [1, 19]);
  assert.equal(keeper.isEmpty, true);
  await keeper.close();
});

Deno.test("a full disk holds up no gap but one that was refused, whose old id may stand there", async () => {
  const { keeper, lose, gapsOf, unknown, told, state } = world();
  for (const chain of ["gone", "acme"]) lose(chain);
  unknown.add("gone");
  await keeper.write();
  state.isFull = true;
  for (let time = 0; time < 2; time++) await assert.rejects(keeper.record(), /full/);
  assert.deepEqual([gapsOf("acme").length, gapsOf("~installation")], [1, []]);
  assert.equal(told[0], "full", "and it is told");
  state.isFull = false;
  await keeper.record();
  assert.deepEqual(gapsOf("~installation"), [[1, "refused", 10, 10]]);
  assert.equal(keeper.isEmpty, true);
  await keeper.close();
});
