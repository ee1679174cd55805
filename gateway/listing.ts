/** What a caller may list: whatever every check that has an opinion would ever let it use. */
import type { Facts, NamedItems, ToolDefinition } from "../core/call.ts";
import { SLICE_MS } from "../core/slices.ts";
import type { Check } from "../plugins/contract.ts";
import type { Stage } from "../plugins/loading.ts";

/** Asks the checks about tools; one answer per tool. */
export async function listTools(
  stages: readonly Stage[],
  tools: readonly ToolDefinition[],
  facts: Facts,
  signal: AbortSignal,
): Promise<readonly boolean[]> {
  const checks = stages.map(({ check }) => check).filter((check) => check.lists !== undefined);
  const listed: boolean[] = [];
  let sliceEndMs = performance.now() + SLICE_MS;
  for (let from = 0; from < tools.length; from += BATCH) {
    if (performance.now() > sliceEndMs) {
      // Thousands of tools must not keep everybody else's calls waiting.
      await new Promise((resolve) => setTimeout(resolve, 0));
      sliceEndMs = performance.now() + SLICE_MS;
    }
    listed.push(...await listBatch(checks, tools.slice(from, from + BATCH), facts, signal));
  }
  return listed;
}

/** Tools that the checks are asked about at once. */
const BATCH = 64;

async function listBatch(
  checks: readonly Check[],
  tools: readonly ToolDefinition[],
  facts: Facts,
  signal: AbortSignal,
): Promise<readonly boolean[]> {
  let listed = tools.map(() => true);
  for (const check of checks) {
    const answers = await check.lists?.(tools, facts, signal) ?? [];
    listed = listed.map((sofar, index) => sofar && answers[index] === true);
  }
  return listed;
}

/** Asks the checks about prompts or resources; one answer per name. */
export async function listNames(
  stages: readonly Stage[],
  named: NamedItems,
  facts: Facts,
  signal: AbortSignal,
): Promise<readonly boolean[]> {
  let listed = named.names.map(() => true);
  for (const { check } of stages) {
    if (check.listsNames === undefined) continue;
    const answers = await check.listsNames(named, facts, signal);
    listed = listed.map((sofar, index) => sofar && answers[index] === true);
  }
  return listed;
}
