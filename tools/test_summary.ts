/** Reads what `deno test` prints: how many passed and failed, and which tests did not run. */

/** The counts of one run; `notRun` names ignored tests. */
export interface TestSummary {
  readonly passed: number;
  readonly failed: number;
  readonly notRun: readonly string[];
}

/**
 * Parses the uncoloured output of the pretty reporter. An exit code that the counts do not explain (a module that does
 * not load, a leak, a timeout) is one more failure: nothing may look green that was not.
 */
export function parseTestSummary(output: string, exitCode: number): TestSummary {
  const [, passed, failed] = /^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed/m.exec(output) ?? [];
  const notRun = [...output.matchAll(/^ *(.+) \.\.\. ignored/gm)].map(([, name]) => name ?? "");
  const counts = { passed: Number(passed ?? 0), failed: Number(failed ?? 0) };
  const unexplained = counts.failed === 0 && (exitCode !== 0 || passed === undefined);
  return { passed: counts.passed, failed: counts.failed + (unexplained ? 1 : 0), notRun };
}
