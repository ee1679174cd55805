/** The suites of `deno task ok` and `deno task test`: what each runs, in order. */
import { startPostgres } from "../tests/postgres_server.ts";
import { compile } from "./compile.ts";
import { projectRoot, run } from "./subprocess.ts";
import { parseTestSummary, type TestSummary } from "./test_summary.ts";

/** What became of a suite; `output` is shown when it failed. */
export interface SuiteResult extends TestSummary {
  readonly output: string;
}

/** One named part of the tests. */
export interface Suite {
  readonly name: string;
  run(): Promise<SuiteResult>;
}

type Environment = Readonly<Record<string, string>>;

const SUITE_TIMEOUT_MS = 10 * 60_000;

/** Folders whose unit tests stand beside the files. */
const UNIT_FOLDERS: readonly string[] = [
  "core",
  "checks",
  "plugins",
  "policies",
  "store",
  "audit",
  "mcp",
  "gateway",
  "admin",
  "telemetry",
  "commands",
  "tools",
  "demo",
];

/** Tests find the database here: a URL, or `off` for the embedded one only. */
const POSTGRES = "INTENTGATE_TEST_POSTGRES";
const EMBEDDED: Environment = { [POSTGRES]: "off" };

const QUIET: SuiteResult = { passed: 0, failed: 0, notRun: [], output: "" };

async function hasTests(folder: string): Promise<boolean> {
  try {
    for await (const entry of Deno.readDir(`${projectRoot()}/${folder}`)) {
      if (entry.name.endsWith("_test.ts")) return true;
      if (entry.isDirectory && await hasTests(`${folder}/${entry.name}`)) return true;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return false;
}

/** A `deno` subcommand that either passes or fails as a whole. */
function gate(name: string, args: readonly string[]): Suite {
  return {
    name,
    async run() {
      const command = Deno.execPath();
      const ran = await run({ command, args, cwd: projectRoot(), timeoutMs: SUITE_TIMEOUT_MS });
      const failed = ran.code === 0 ? 0 : 1;
      return { ...QUIET, passed: 1 - failed, failed, output: ran.output };
    },
  };
}

async function denoTest(
  paths: readonly string[],
  env: Environment,
  flags: readonly string[] = [],
): Promise<SuiteResult> {
  const existing: string[] = [];
  for (const path of paths) if (path.endsWith(".ts") || await hasTests(path)) existing.push(path);
  if (existing.length === 0) {
    return { ...QUIET, failed: 1, output: `No tests found in ${paths.join(", ")}\n` };
  }
  const ran = await run({
    command: Deno.execPath(),
    // Types are the suite "types"; checking them again in every suite would only cost time.
    args: ["test", "-A", "--no-check", ...flags, ...existing],
    cwd: projectRoot(),
    env,
    timeoutMs: SUITE_TIMEOUT_MS,
  });
  return { ...parseTestSummary(ran.stdout, ran.code), output: ran.output };
}

function tests(
  name: string,
  paths: readonly string[],
  env: Environment,
  flags?: readonly string[],
): Suite {
  return { name, run: () => denoTest(paths, env, flags) };
}

/** The same tests on a real PostgreSQL: the one that INTENTGATE_TEST_POSTGRES names, or one started for this run. */
function onPostgres(name: string, paths: readonly string[]): Suite {
  return {
    name,
    async run() {
      const given = Deno.env.get(POSTGRES);
      if (given === "off") return { ...QUIET, notRun: [`${name} (${POSTGRES}=off)`] };
      if (given !== undefined && given !== "") return await denoTest(paths, { [POSTGRES]: given });
      try {
        const server = await startPostgres();
        try {
          return await denoTest(paths, { [POSTGRES]: server.url });
        } finally {
          await server.stop();
        }
      } catch (error) {
        return { ...QUIET, failed: 1, output: `${error instanceof Error ? error.message : error}\n` };
      }
    },
  };
}

const compiledBinary: Suite = {
  name: "compiled binary",
  async run() {
    const lines: string[] = [];
    try {
      await compile(`${projectRoot()}/dist/intentgate`, (line) => lines.push(line));
    } catch (error) {
      const reason = error instanceof Error ? error.message : error;
      return { ...QUIET, failed: 1, output: `${lines.join("\n")}\n${reason}\n` };
    }
    return await denoTest(["tests/binary"], EMBEDDED);
  },
};

/** What must hold before every commit. */
export const QUICK_SUITES: readonly Suite[] = [
  gate("format", ["fmt", "--check"]),
  gate("lint", ["lint"]),
  gate("tree", ["run", "-A", "tools/check_tree.ts"]),
  gate("types", ["check", "."]),
  tests("unit", UNIT_FOLDERS, EMBEDDED, ["--parallel"]),
];

/** Everything that `deno task test` runs. */
export const ALL_SUITES: readonly Suite[] = [
  ...QUICK_SUITES,
  tests("integration on the embedded database", ["tests/integration"], EMBEDDED),
  onPostgres("store and integration on PostgreSQL", ["store", "tests/integration"]),
  tests("attacks on the embedded database", ["tests/attacks"], EMBEDDED),
  tests("conformance clients", ["tests/conformance"], EMBEDDED),
  compiledBinary,
];

/** What only `deno task test:long` adds. */
export const LONG_SUITES: readonly Suite[] = [
  onPostgres("attacks on PostgreSQL", ["tests/attacks"]),
];
