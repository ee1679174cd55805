/**
 * `deno task test`: all tests, whatever fails, with the plain last line `N passed, N failed`.
 * `deno task test:long` adds the suites that take longer; their names are printed when they are left out.
 */
import { runSuites } from "./suite_run.ts";
import { ALL_SUITES, LONG_SUITES } from "./suites.ts";

function main(args: readonly string[]): Promise<number> {
  if (args.includes("--long")) return runSuites([...ALL_SUITES, ...LONG_SUITES], []);
  return runSuites(ALL_SUITES, LONG_SUITES.map(({ name }) => `${name} (deno task test:long)`));
}

if (import.meta.main) main(Deno.args).then((code) => Deno.exit(code));
