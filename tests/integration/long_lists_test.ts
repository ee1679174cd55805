/** Lists of thousands of tools, with the real policy: everybody else's calls go on meanwhile. */
import assert from "node:assert/strict";
import type { ToolCall, ToolDefinition } from "../../core/call.ts";
import { SLICE_MS } from "../../core/slices.ts";
import { loadDefaultPolicy } from "../../policies/library/library.ts";
import { startPolicedGateway } from "../policed_gateway.ts";

const TOOLS = Array.from({ length: 10_000 }, (_, index): ToolDefinition => ({
  ...{ upstream: "acme", name: `tool_${index}`, annotations: { readOnlyHint: index % 2 === 0 } },
  inputSchema: { type: "object" },
}));

/** CLOCK_THREAD_CPUTIME_ID of `clock_gettime(2)`: what other programs do on this machine does not count. */
const THREAD_CPU_CLOCK = 3;

function threadCpuClock() {
  const libc = Deno.dlopen("libc.so.6", {
    clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  });
  const time = new BigInt64Array(2);
  return {
    nowMs: () => {
      libc.symbols.clock_gettime(THREAD_CPU_CLOCK, time);
      return Number(time[0]) * 1_000 + Number(time[1]) / 1_000_000;
    },
    close: () => libc.close(),
  };
}

/** Takes every turn of the event loop that it gets, and says how much work of others lay between two. */
function watchTurns(nowMs: () => number) {
  const turns: number[] = [];
  const state = { isWatching: true };
  const watching = (async () => {
    for (let last = nowMs(); state.isWatching;) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      const now = nowMs();
      turns.push(now - last);
      last = now;
    }
  })();
  return async () => {
    state.isWatching = false;
    await watching;
    return turns.toSorted((a, b) => b - a);
  };
}

Deno.test("10,000 tools are decided on in slices of 5 ms, once for those who ask together, and kept", async () => {
  await using gateway = await startPolicedGateway("http://127.0.0.1:9/mcp", loadDefaultPolicy().wasm);
  const now = Date.now();
  const call: ToolCall = {
    ...{ id: "d", upstream: "acme", method: "tools/list", name: "", arguments: {}, argumentsDigest: "" },
    ...{ receivedAtMs: now, deadlineMs: now + 60_000, sourceIp: "127.0.0.1" },
  };
  const admit = async () => {
    const admitted = await gateway.gateway.admit({ ...call }, await gateway.mint({ tools: ["tool_*"] }));
    assert.equal(admitted.kind, "admitted");
    return admitted.kind === "admitted" ? admitted : assert.fail();
  };
  const engine = gateway.world.engine;
  let asked = 0;
  gateway.world.engine = { ...engine, mayList: (input) => ++asked > 0 && engine.mayList(input) };
  await (await admit()).lists(TOOLS); // what is compiled once is compiled now
  /** What each turn of the event loop took while three asked at once. */
  const measure = async () => {
    asked = 0;
    const admitted = await admit();
    const clock = threadCpuClock();
    const turnsSoFar = watchTurns(clock.nowMs);
    const lists = await Promise.all([1, 2, 3].map(() => admitted.lists(TOOLS)));
    const turns = await turnsSoFar();
    clock.close();
    for (const listed of lists) assert.equal(listed.filter((isListed) => isListed).length, TOOLS.length);
    assert.equal(asked, TOOLS.length);
    await admitted.lists(TOOLS);
    assert.equal(asked, TOOLS.length);
    assert.ok(turns.length > 10, `${turns.length} turns`);
    return turns;
  };
  // Collecting garbage falls into some slice or other: one of a few runs must be without much of it.
  const runs: string[] = [];
  for (let run = 0; run < 4; run++) {
    const turns = await measure();
    const most = turns[Math.ceil(turns.length * 0.1)] ?? Infinity;
    if (most <= SLICE_MS && (turns[0] ?? Infinity) <= 4 * SLICE_MS) return;
    runs.push(turns.slice(0, 5).map((ms) => ms.toFixed(1)).join(", "));
  }
  assert.fail(`the dearest turns of each run, in milliseconds: ${runs.join("; ")}`);
});
