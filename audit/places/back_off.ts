/** How long to wait after failures in a row. */

const FIRST_MS = 2_000;
const LONGEST_MS = 10 * 60_000;

/** Doubles with every failure up to ten minutes; half to one and a half of that, so that replicas and chains spread. */
export function backOffMs(failures: number, random: () => number): number {
  const doubled = FIRST_MS * 2 ** Math.min(Math.max(0, failures - 1), 20);
  return Math.min(LONGEST_MS, doubled) * (0.5 + random());
}
