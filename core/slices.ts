/** Long work on the thread that serves calls, in slices: between two of them everything else gets its turn. */

/** The clock, and how to let others work. */
export interface Pacing {
  readonly nowMs: () => number;
  readonly pause: () => Promise<void>;
}

/** No slice is meant to take longer. */
export const SLICE_MS = 5;
/** `items.map(work)`, pausing whenever a slice has taken `SLICE_MS`; as long as one item takes, at least. */
export async function mapInSlices<Item, Result>(
  items: readonly Item[],
  work: (item: Item, index: number) => Result,
  pacing: Pacing,
): Promise<Result[]> {
  const results: Result[] = [];
  let sliceEndMs = pacing.nowMs() + SLICE_MS;
  for (const [index, item] of items.entries()) {
    results.push(work(item, index));
    if (pacing.nowMs() < sliceEndMs) continue;
    await pacing.pause();
    sliceEndMs = pacing.nowMs() + SLICE_MS;
  }
  return results;
}
