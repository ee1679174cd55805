/** Runs suites one after the other and says what became of each. */
import type { Suite } from "./suites.ts";

/** Runs all of them, whatever fails; prints the plain last line `N passed, N failed`; returns the exit code. */
export async function runSuites(
  suites: readonly Suite[],
  notIncluded: readonly string[],
  print: (line: string) => void = console.log,
): Promise<number> {
  let [passed, failed] = [0, 0];
  const notRun: string[] = [...notIncluded];
  for (const suite of suites) {
    const startedMs = performance.now();
    const result = await runSuite(suite);
    passed += result.passed;
    failed += result.failed;
    notRun.push(...result.notRun);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    if (result.failed > 0) print(`\n${result.output.trimEnd()}\n`);
    print(
      `${result.failed > 0 ? "FAILED" : "ok"}  ${suite.name}: ${result.passed} passed, ` +
        `${result.failed} failed (${seconds} s)`,
    );
  }
  if (notRun.length > 0) print(`\nNot run:\n${notRun.map((name) => `  ${name}`).join("\n")}`);
  print(`\n${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

async function runSuite(suite: Suite): Promise<Awaited<ReturnType<Suite["run"]>>> {
  try {
    return await suite.run();
  } catch (error) {
    const output = error instanceof Error ? error.stack ?? error.message : String(error);
    return { passed: 0, failed: 1, notRun: [], output };
  }
}
