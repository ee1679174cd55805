/** `deno task ok`: what must hold before every commit: format, lint, tree, types, unit tests. */
import { runSuites } from "./suite_run.ts";
import { QUICK_SUITES } from "./suites.ts";

if (import.meta.main) runSuites(QUICK_SUITES, []).then((code) => Deno.exit(code));
