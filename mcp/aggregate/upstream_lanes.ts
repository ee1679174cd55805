/** Asking many upstreams for the same page: few at once, and none that keeps the others waiting. */

import { settledWithin } from "../settled_within.ts";

/** How long, and what for. */
export interface LaneOptions<Upstream, Part> {
  readonly ask: (upstream: Upstream, leftMs: number) => Promise<Part>;
  /** Called with each part that has come; says whether there is room for more. */
  readonly takes: (upstream: Upstream, part: Part) => boolean;
  /** For all of them together. */
  readonly withinMs: number;
}

/** Upstreams that are asked at once. */
export const MAX_ASKED = 8;
/** Whoever has not answered after this time does not count among those any more, milliseconds. */
const SLOW_MS = 250;
/** Upstreams that may be that slow at once. */
export const MAX_SLOW = 24;

/** Asks them in this order; returns those that were not asked, for want of time or room. `ask` must not reject. */
export async function askInLanes<Upstream, Part>(
  upstreams: readonly Upstream[],
  { ask, takes, withinMs }: LaneOptions<Upstream, Part>,
): Promise<readonly Upstream[]> {
  const left = [...upstreams];
  const endMs = performance.now() + withinMs;
  const pending = new Set<Promise<void>>();
  let hasRoom = true;
  const lane = async () => {
    for (let leftMs; (leftMs = endMs - performance.now()) > 0 && hasRoom;) {
      const upstream = left.shift();
      if (upstream === undefined) break;
      const asking: Promise<void> = ask(upstream, leftMs).then((part) => {
        if (performance.now() <= endMs) hasRoom = takes(upstream, part) && hasRoom;
      }).finally(() => pending.delete(asking));
      pending.add(asking);
      await (pending.size > MAX_SLOW ? asking : settledWithin(SLOW_MS, asking));
    }
  };
  const lanes = Array.from({ length: MAX_ASKED }, lane);
  await settledWithin(withinMs, Promise.all(lanes).then(() => Promise.all(pending)));
  return left.splice(0);
}
