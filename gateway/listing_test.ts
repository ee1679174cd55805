import assert from "node:assert/strict";
import type { ToolDefinition } from "../core/call.ts";
import { SLICE_MS } from "../core/slices.ts";
import type { Check } from "../plugins/contract.ts";
import type { Stage } from "../plugins/loading.ts";
import { askAboutNames, askAboutTools, findHiders, hidersOf } from "./listing.ts";

const tool = (name: string): ToolDefinition => ({ upstream: "a", name, inputSchema: {}, annotations: {} });
const signal = new AbortController().signal;

function stage(name: string, check: Partial<Check>): Stage {
  return { name, establishesPrincipal: false, check: { run: () => ({ kind: "pass" }), ...check } };
}

/** A check that takes so many milliseconds for each item, by a clock of its own. */
function slowWorld(costMs: (asked: number) => number) {
  const world = { nowMs: 0, asked: 0, sliceMs: [] as number[], sliceStartMs: 0 };
  const check = {
    lists: (tools: readonly ToolDefinition[]) =>
      tools.map(() => {
        world.nowMs += costMs(world.asked++);
        return true;
      }),
  };
  const pacing = {
    nowMs: () => world.nowMs,
    pause: () => {
      world.sliceMs.push(world.nowMs - world.sliceStartMs);
      world.sliceStartMs = world.nowMs;
      return Promise.resolve();
    },
  };
  return { world, pacing, question: askAboutTools([stage("slow", check)], {}, signal) };
}

Deno.test("findHiders() works in slices of 5 ms, whatever one item costs", async () => {
  const tools = Array.from({ length: 10_000 }, (_, index) => tool(`t${index}`));
  for (const cost of [0.001, 0.05, 0.3, 1.5, 4]) {
    const { world, pacing, question } = slowWorld((asked) => asked === 0 ? 4.5 : cost);
    const hiders = await findHiders(tools, question, pacing);
    assert.equal(hiders.length, tools.length);
    world.sliceMs.push(world.nowMs - world.sliceStartMs);
    assert.ok(Math.max(...world.sliceMs) <= SLICE_MS, `${cost}: ${Math.max(...world.sliceMs)}`);
    const least = (tools.length - 1) * cost / SLICE_MS;
    assert.ok(world.sliceMs.length <= 3 * least + 3, `${cost}: ${world.sliceMs.length} slices`);
  }
});

Deno.test("findHiders() adapts when items become dearer: one batch is late, the next is not", async () => {
  const tools = Array.from({ length: 2_000 }, (_, index) => tool(`t${index}`));
  const { world, pacing, question } = slowWorld((asked) => asked < 1_000 ? 0.1 : 1);
  await findHiders(tools, question, pacing);
  const late = world.sliceMs.filter((ms) => ms > SLICE_MS);
  assert.ok(late.length <= 1, JSON.stringify(late));
});

Deno.test("findHiders() names the first check that hides, and asks none that has no opinion", async () => {
  const stages = [
    stage("capability", { lists: (tools) => tools.map(({ name }) => name !== "out") }),
    stage("budget", {}),
    stage("policy", { lists: (tools) => tools.map(({ name }) => name === "in") }),
  ];
  const tools = ["in", "out", "blocked"].map(tool);
  const question = askAboutTools(stages, {}, signal);
  assert.deepEqual(await findHiders(tools, question), [undefined, "capability", "policy"]);
  assert.deepEqual(await findHiders([], question), []);
});

Deno.test("hidersOf() is synchronous until a check answers late, and the order of the checks stays", async () => {
  const late = stage("late", { lists: (tools) => Promise.resolve(tools.map(({ name }) => name !== "b")) });
  const last = stage("last", { lists: (tools) => tools.map(() => false) });
  const tools = ["a", "b"].map(tool);
  assert.deepEqual(hidersOf(tools, askAboutTools([last], {}, signal)), ["last", "last"]);
  const found = hidersOf(tools, askAboutTools([late, last], {}, signal));
  assert.ok(found instanceof Promise);
  assert.deepEqual(await found, ["last", "late"]);
});

Deno.test("what a check answers but true in its place hides", async () => {
  const odd: unknown[] = [[], [true], [true, true, true], "tt", null, undefined, { 0: true, 1: true }, [
    1,
    "true",
  ]];
  for (const answer of odd) {
    const lists = () => answer as readonly boolean[];
    const question = askAboutTools([stage("odd", { lists })], {}, signal);
    assert.deepEqual(
      hidersOf([tool("a"), tool("b")], question),
      ["odd", "odd"],
      JSON.stringify(answer),
    );
    const late = askAboutTools([stage("odd", { lists: () => Promise.resolve(lists()) })], {}, signal);
    assert.deepEqual(await hidersOf([tool("a"), tool("b")], late), ["odd", "odd"], JSON.stringify(answer));
  }
});

Deno.test("findHiders() stops when the time is over", async () => {
  const abort = new AbortController();
  const { question, world, pacing } = slowWorld(() => 2);
  const stopping = { ...pacing, pause: () => Promise.resolve(abort.abort()) };
  const tools = Array.from({ length: 100 }, (_, index) => tool(`t${index}`));
  await assert.rejects(findHiders(tools, { ...question, signal: abort.signal }, stopping), {
    code: "check_timeout",
  });
  assert.ok(world.asked < 10);
});

Deno.test("askAboutNames() asks about the method and the names", async () => {
  const asked: unknown[] = [];
  const check = { listsNames: (named: unknown) => [asked.push(named) > 0] };
  const of = { upstream: "a", method: "prompts/get" };
  assert.deepEqual(await findHiders(["x"], askAboutNames([stage("one", check)], of, {}, signal)), [
    undefined,
  ]);
  assert.deepEqual(asked, [{ ...of, names: ["x"] }]);
});
