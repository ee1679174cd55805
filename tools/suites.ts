/** The suites of `deno task ok` and `deno task test`: what each runs, in order. */
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

const SUITE_TIMEOUT_MS = 30 * 60_000;
/** The folder tests/long takes about a quarter of an hour when nothing else runs. */
const LONG_TIMEOUT_MS = 60 * 60_000;

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

const QUIET: SuiteResult = { passed: 0, failed: 0, notRun: [], output: "" };

/** All `.ts` files of a folder; none when it does not exist yet. */
async function typescriptFiles(folder: string): Promise<readonly string[]> {
  const files: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(`${projectRoot()}/${folder}`)) {
      if (isDirectory) files.push(...await typescriptFiles(`${folder}/${name}`));
      else if (name.endsWith(".ts")) files.push(`${folder}/${name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return files;
}

/** Names the files, because `deno check .` also takes the Node scripts, whose packages are installed elsewhere. */
const types: Suite = {
  name: "types",
  async run() {
    const folders = await Promise.all([...UNIT_FOLDERS, "tests", "sdk"].map(typescriptFiles));
    return await gate("types", ["check", "main.ts", ...folders.flat()]).run();
  },
};

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
  flags: readonly string[] = [],
  { deno = Deno.execPath(), timeoutMs = SUITE_TIMEOUT_MS } = {},
): Promise<SuiteResult> {
  const existing: string[] = [];
  for (const path of paths) {
    if ((await typescriptFiles(path)).some((file) => file.endsWith("_test.ts"))) existing.push(path);
  }
  if (existing.length === 0) {
    return { ...QUIET, failed: 1, output: `No tests found in ${paths.join(", ")}\n` };
  }
  const ran = await run({
    command: deno,
    // Types are the suite "types"; checking them again in every suite would only cost time.
    args: ["test", "-A", "--no-check", ...flags, ...existing],
    ...{ cwd: projectRoot(), timeoutMs },
  });
  return { ...parseTestSummary(ran.stdout, ran.code), output: ran.output };
}

function tests(name: string, paths: readonly string[], flags?: readonly string[]): Suite {
  return { name, run: () => denoTest(paths, flags) };
}

/** The oldest Deno that must run the sources: the one that the compiled binary is proven with. */
const onDeno26: Suite = {
  name: "unit tests on Deno 2.6",
  async run() {
    if (`${Deno.build.os} ${Deno.build.arch}` !== "linux x86_64") {
      return { ...QUIET, notRun: ["unit tests on Deno 2.6 (made for Linux x86-64 only)"] };
    }
    if (Deno.env.get("INTENTGATE_TEST_PYTHON") === "off") {
      return {
        ...QUIET,
        notRun: ["unit tests on Deno 2.6 (INTENTGATE_TEST_PYTHON=off: it comes from PyPI)"],
      };
    }
    const [cwd, timeoutMs] = [projectRoot(), SUITE_TIMEOUT_MS];
    const made = await run({ command: `${cwd}/tools/denort.sh`, args: [], cwd, timeoutMs });
    const [, deno] = /^DENO=(.+)$/m.exec(made.stdout) ?? [];
    if (made.code !== 0 || deno === undefined) return { ...QUIET, failed: 1, output: made.output };
    return await denoTest(UNIT_FOLDERS, ["--parallel"], { deno });
  },
};

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
    return await denoTest(["tests/binary"]);
  },
};

/** What must hold before every commit. */
export const QUICK_SUITES: readonly Suite[] = [
  gate("format", ["fmt", "--check"]),
  gate("lint", ["lint"]),
  gate("tree", ["run", "-A", "tools/check_tree.ts"]),
  gate("reference pages", ["run", "-A", "tools/gen_docs.ts", "--check"]),
  types,
  tests("unit", UNIT_FOLDERS, ["--parallel"]),
];

/**
 * Everything that `deno task test` runs. Tests with a database register themselves once per database and start a
 * PostgreSQL of their own; without its programs they fail, unless INTENTGATE_TEST_POSTGRES=off leaves them out.
 */
export const ALL_SUITES: readonly Suite[] = [
  ...QUICK_SUITES,
  tests("integration, embedded database and PostgreSQL", ["tests/integration"]),
  tests("attacks", ["tests/attacks"], ["--parallel"]),
  tests("conformance: published suite and clients of others", ["tests/conformance"]),
  compiledBinary,
  onDeno26,
];

/** What only `deno task test:long` adds. */
export const LONG_SUITES: readonly Suite[] = [
  tests("unit tests in another order", UNIT_FOLDERS, ["--shuffle"]),
  {
    name: "a million damaged tokens, 20 kills, bad networks, full disk, clock steps, millions of events",
    run: () => denoTest(["tests/long"], [], { timeoutMs: LONG_TIMEOUT_MS }),
  },
];
