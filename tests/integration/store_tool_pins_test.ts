import assert from "node:assert/strict";
import { planPins, type SeenTool } from "../../core/tool_pin.ts";
import { createToolPinsTable, type ToolPinsTable } from "../../store/tool_pins.ts";
import type { Database } from "../../store/database.ts";
import { createDatabaseTests } from "./databases.ts";

const { test } = createDatabaseTests();
const MODES = { toolChanges: "quarantine", newTools: "quarantine" } as const;

const digest = (digit: string) => `v1:${digit.repeat(64)}`;
const seen = (name: string, digit: string): SeenTool => ({
  ...{ name, digest: digest(digit), definition: JSON.stringify({ description: digit, name }) },
});

/** One reading, as a replica records it. */
async function observe(
  database: Database,
  table: ToolPinsTable,
  tools: readonly SeenTool[],
): Promise<boolean> {
  return await database.transact(async (tx) => {
    const { version, now } = await table.lock(tx, "acme");
    const rows = new Map(now.pins.map((pin) => [pin.name, pin]));
    const plan = planPins(rows, now.version === 0, tools, MODES, () => false);
    if (plan !== undefined) await table.write(tx, "acme", version, plan);
    return plan !== undefined;
  });
}

test("pins are trusted once, remember what tools became, and follow operators", async (fixture) => {
  const database = await fixture.migrated();
  const table = createToolPinsTable(database);
  assert.deepEqual(await table.read("acme"), { version: 0, pins: [] });
  assert.equal(await observe(database, table, [seen("a", "1"), seen("b", "1")]), true);
  assert.equal(await observe(database, table, [seen("a", "1"), seen("b", "1")]), false);
  const first = await table.read("acme");
  assert.deepEqual(await table.versions(), new Map([["acme", first.version]]));
  assert.equal(await observe(database, table, [seen("a", "2"), seen("c", "1")]), true);
  const rows = await table.page({ upstreams: ["acme"], limit: 10 });
  assert.deepEqual(rows.map(({ name, state, isListed }) => [name, state, isListed]), [
    ...[["a", "changed", true], ["b", "pinned", false], ["c", "new", true]],
  ]);
  const { pins, version } = await table.read("acme");
  assert.ok(version > first.version);
  assert.deepEqual(pins.find(({ name }) => name === "a")?.definition, seen("a", "1").definition);

  const approve = (name: string, digit: string) =>
    database.transact((tx) =>
      table.approve(tx, { ...{ upstream: "acme", name, operator: "root" }, digest: digest(digit) })
    );
  assert.equal(await approve("a", "1"), undefined);
  assert.deepEqual([(await approve("a", "2"))?.state, (await approve("c", "1"))?.pinnedBy], [
    "pinned",
    "root",
  ]);
  assert.equal(await approve("none", "1"), undefined);
  await database.transact((tx) => table.block(tx, { upstream: "acme", name: "c", operator: "root" }));
  assert.equal((await table.find("acme", "c"))?.state, "blocked");
  assert.deepEqual((await table.page({ upstreams: ["acme"], state: "blocked", limit: 10 })).length, 1);
  assert.equal(await observe(database, table, [seen("a", "2"), seen("c", "2")]), true);
  assert.equal((await table.find("acme", "c"))?.state, "blocked");
  assert.deepEqual((await approve("c", "2"))?.state, "pinned");
  assert.equal((await table.read("acme")).pins.every(({ isBlocked }) => !isBlocked), true);
});

test("pages of pins go on where they ended, and look-alikes are found across upstreams", async (fixture) => {
  const database = await fixture.migrated();
  const table = createToolPinsTable(database);
  await observe(database, table, ["read_file", "rеad_file", "write"].map((name) => seen(name, "1")));
  const page = await table.page({ upstreams: ["acme", "other"], limit: 2 });
  const last = page.at(-1)!;
  const rest = await table.page({ upstreams: ["acme"], limit: 2, after: last });
  assert.deepEqual([...page, ...rest].map(({ name }) => name), ["read_file", "rеad_file", "write"]);
  assert.deepEqual(await table.page({ upstreams: [], limit: 2 }), []);
  assert.deepEqual((await table.lookAlikes(["READ-FILE"], ["acme"])).map(({ name }) => name), [
    ...["read_file", "rеad_file"],
  ]);
  assert.deepEqual(await table.lookAlikes(["READ-FILE"], ["other"]), []);
});

test("thousands of pins are written in one go", async (fixture) => {
  const database = await fixture.migrated();
  const table = createToolPinsTable(database);
  const many = (digit: string) => Array.from({ length: 10_000 }, (_, at) => seen(`tool_${at}`, digit));
  await observe(database, table, many("1"));
  await observe(database, table, many("2"));
  const { pins } = await table.read("acme");
  assert.equal(pins.length, 10_000);
  assert.ok(
    pins.every(({ candidate, digest: pinned }) => candidate === digest("2") && pinned === digest("1")),
  );
});
