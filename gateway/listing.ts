/** What a caller may list: whatever every check that has an opinion would ever let it use. Asked in slices. */
import type { Facts, NamedItems, ToolDefinition } from "../core/call.ts";
import { GatewayError } from "../core/errors.ts";
import { type Pacing, SLICE_MS } from "../core/slices.ts";
import type { Check } from "../plugins/contract.ts";
import type { Stage } from "../plugins/loading.ts";

/** The name of the check that hides something from a caller; `undefined` when none does. */
export type Hider = string | undefined;

type Answers = readonly boolean[] | Promise<readonly boolean[]> | undefined;

/** What the checks are asked about items of one kind. */
export interface Question<Item> {
  readonly stages: readonly Stage[];
  /** `undefined` for a check that has no opinion. */
  ask(check: Check, items: readonly Item[]): Answers;
  /** Aborts when the time for the whole list is over. */
  readonly signal: AbortSignal;
}

/** Asks about tools. */
export function askAboutTools(
  stages: readonly Stage[],
  facts: Facts,
  signal: AbortSignal,
): Question<ToolDefinition> {
  return { stages, signal, ask: (check, tools) => check.lists && (check.lists(tools, facts, signal) ?? []) };
}

/** Asks about prompts or resources by name. */
export function askAboutNames(
  stages: readonly Stage[],
  of: Omit<NamedItems, "names">,
  facts: Facts,
  signal: AbortSignal,
): Question<string> {
  return {
    stages,
    signal,
    ask: (check, names) => check.listsNames && (check.listsNames({ ...of, names }, facts, signal) ?? []),
  };
}

const PACING: Pacing = {
  nowMs: () => performance.now(),
  pause: () => new Promise((resolve) => setTimeout(resolve, 0)),
};

/** How many items are asked about at once, so that a batch takes about `BATCH_MS` whatever one costs. */
const MAX_BATCH = 256;
const BATCH_MS = 1;
/** A slice ends so much sooner than it must: a batch may turn out dearer than the one before. */
const RESERVE_MS = 0.5;

/**
 * Says of each item who hides it. Thousands of items must not keep everybody else's calls waiting: between slices of
 * `SLICE_MS` everything else gets its turn. Throws `GatewayError` (`check_timeout`) when the signal aborts.
 */
export async function findHiders<Item>(
  items: readonly Item[],
  question: Question<Item>,
  { nowMs, pause }: Pacing = PACING,
): Promise<readonly Hider[]> {
  const hiders: Hider[] = [];
  let sliceStartMs = nowMs();
  let size = 1;
  while (hiders.length < items.length) {
    if (question.signal.aborted) throw new GatewayError("check_timeout", "A list took too long to decide on");
    const startedMs = nowMs();
    const batch = items.slice(hiders.length, hiders.length + size);
    const answered = hidersOf(batch, question);
    hiders.push(...(answered instanceof Promise ? await answered : answered));
    const endedMs = nowMs();
    if (answered instanceof Promise) {
      // Somebody else worked on it, and this thread was free.
      [sliceStartMs, size] = [endedMs, MAX_BATCH];
      continue;
    }
    const itemMs = Math.max((endedMs - startedMs) / batch.length, BATCH_MS / MAX_BATCH);
    // A first item pays for much that the others find ready: the batches grow slowly.
    size = Math.min(size * 4, Math.max(1, Math.floor(BATCH_MS / itemMs)));
    if (endedMs - sliceStartMs + size * itemMs < SLICE_MS - RESERVE_MS) continue;
    await pause();
    sliceStartMs = nowMs();
  }
  return hiders;
}

/** Says of a few items who hides them; at once when every check answers at once. */
export function hidersOf<Item>(
  items: readonly Item[],
  question: Question<Item>,
): readonly Hider[] | Promise<readonly Hider[]> {
  const hiders: Hider[] = items.map(() => undefined);
  for (const [index, stage] of question.stages.entries()) {
    const answers = question.ask(stage.check, items);
    if (answers instanceof Promise) return finishLate(items, question, hiders, index, answers);
    if (answers !== undefined) mark(hiders, stage, answers);
  }
  return hiders;
}

async function finishLate<Item>(
  items: readonly Item[],
  question: Question<Item>,
  hiders: Hider[],
  index: number,
  first: Promise<readonly boolean[]>,
): Promise<readonly Hider[]> {
  for (const [offset, stage] of question.stages.slice(index).entries()) {
    const answers = offset === 0 ? await first : await question.ask(stage.check, items);
    if (answers !== undefined || offset === 0) mark(hiders, stage, answers);
  }
  return hiders;
}

/** Only `true` in its place lists; whatever else a check answers hides. */
function mark(hiders: Hider[], stage: Stage, answers: unknown): void {
  const given: readonly unknown[] = Array.isArray(answers) && answers.length === hiders.length ? answers : [];
  for (const index of hiders.keys()) {
    if (given[index] !== true) hiders[index] ??= stage.name;
  }
}
