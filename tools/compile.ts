/**
 * `deno task compile`: writes `dist/intentgate`. Works from a lean copy of the sources, so that neither tests nor
 * packages that only tests need end up in the binary. Where this Deno cannot download its own compile base, it uses the
 * pair of Deno and base that `denort.sh` makes, and says so.
 */
import { createHash } from "node:crypto";
import { projectRoot, run } from "./subprocess.ts";

/** Entries that no import reaches: Workers and files that are read at run time. */
export const INCLUDES: readonly string[] = ["store/embedded_worker.ts", "demo/acme_worker.ts"];

/** Folders of the lean copy; a folder that does not exist yet is left out. */
const SOURCE_FOLDERS: readonly string[] = [
  "admin",
  "audit",
  "checks",
  "commands",
  "core",
  "demo",
  "gateway",
  "mcp",
  "migrations",
  "plugins",
  "policies",
  "store",
  "telemetry",
];

/** Names in deno.json that only tests import. */
const TEST_PACKAGES: readonly string[] = ["fast-check"];

const UNSTABLE: readonly string[] = [
  "--unstable-raw-imports",
  "--unstable-net",
  "--unstable-worker-options",
  "--unstable-no-legacy-abort",
];
/** Deno 2.6's compiler recurses through the npm packages: with the default stack it overflows. */
const COMPILER_STACK = { RUST_MIN_STACK: "67108864" };
const PROBE_TIMEOUT_MS = 120_000;
const COMPILE_TIMEOUT_MS = 300_000;

/** A Deno and the environment under which it can compile. */
interface Compiler {
  readonly deno: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Compiles the program to `output` and returns its size in bytes and SHA-256. Throws with the compiler's own words. */
export async function compile(
  output: string,
  say: (line: string) => void,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const lean = await Deno.makeTempDir({ prefix: "intentgate_compile_" });
  try {
    const compiler = await findCompiler(lean, say);
    await copySources(projectRoot(), lean);
    const built = `${lean}/intentgate`;
    const includes = INCLUDES.flatMap((path) => ["--include", path]);
    const ran = await run({
      command: compiler.deno,
      args: ["compile", "-A", "--no-check", ...UNSTABLE, ...includes, "--output", built, "main.ts"],
      cwd: lean,
      env: { ...COMPILER_STACK, ...compiler.env },
      timeoutMs: COMPILE_TIMEOUT_MS,
    });
    if (ran.code !== 0) throw new Error(`Cannot compile: deno ended with ${ran.code}\n${ran.output}`);
    await Deno.mkdir(output.replace(/\/[^/]*$/, ""), { recursive: true });
    // A running binary cannot be overwritten, but its name can be given to another file.
    await Deno.copyFile(built, `${output}.new`);
    await Deno.rename(`${output}.new`, output);
    const content = await Deno.readFile(output);
    return { bytes: content.byteLength, sha256: createHash("sha256").update(content).digest("hex") };
  } finally {
    await Deno.remove(lean, { recursive: true });
  }
}

/** This Deno when it has or gets its base (tried with an empty program), otherwise the pair of `denort.sh`. */
async function findCompiler(scratch: string, say: (line: string) => void): Promise<Compiler> {
  const own: Compiler = { deno: Deno.execPath(), env: {} };
  if (Deno.env.has("DENORT_BIN")) {
    say(`Compiling with Deno ${Deno.version.deno} and the base that DENORT_BIN names`);
    return own;
  }
  await Deno.writeTextFile(`${scratch}/probe.ts`, "export {};\n");
  const probe = await run({
    command: own.deno,
    args: ["compile", "--no-config", "--no-check", "--output", `${scratch}/probe`, "probe.ts"],
    cwd: scratch,
    timeoutMs: PROBE_TIMEOUT_MS,
  });
  if (probe.code === 0) {
    say(`Compiling with Deno ${Deno.version.deno} and its own base`);
    return own;
  }
  say(
    `Deno ${Deno.version.deno} cannot get its compile base here; using the pair that tools/denort.sh makes`,
  );
  const made = await run({
    command: `${projectRoot()}/tools/denort.sh`,
    args: [],
    cwd: scratch,
    timeoutMs: COMPILE_TIMEOUT_MS,
  });
  const [, deno] = /^DENO=(.+)$/m.exec(made.stdout) ?? [];
  const [, base] = /^DENORT_BIN=(.+)$/m.exec(made.stdout) ?? [];
  if (made.code !== 0 || deno === undefined || base === undefined) {
    throw new Error(`Cannot compile: no base.\nOwn base: ${probe.output}\nPair: ${made.output}`);
  }
  // Deno 2.6 does not look into the system's certificate store by itself.
  return {
    deno,
    env: { DENORT_BIN: base, DENO_TLS_CA_STORE: Deno.env.get("DENO_TLS_CA_STORE") ?? "system" },
  };
}

async function copySources(root: string, target: string): Promise<void> {
  for (const folder of SOURCE_FOLDERS) await copyFolder(`${root}/${folder}`, `${target}/${folder}`);
  await Deno.copyFile(`${root}/main.ts`, `${target}/main.ts`);
  await Deno.copyFile(`${root}/deno.lock`, `${target}/deno.lock`);
  const config = JSON.parse(await Deno.readTextFile(`${root}/deno.json`));
  for (const name of TEST_PACKAGES) delete config.imports[name];
  delete config.lint;
  delete config.lock; // the copy has fewer packages than the frozen lock names
  await Deno.writeTextFile(`${target}/deno.json`, JSON.stringify(config));
}

async function copyFolder(from: string, to: string): Promise<void> {
  const entries = await Array.fromAsync(Deno.readDir(from)).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  });
  for (const { name, isDirectory } of entries) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else if (!name.endsWith("_test.ts")) {
      await Deno.mkdir(to, { recursive: true });
      await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
    }
  }
}

async function main(): Promise<number> {
  const output = `${projectRoot()}/dist/intentgate`;
  try {
    const { bytes, sha256 } = await compile(output, console.log);
    console.log(`${output}\n${(bytes / 1e6).toFixed(1)} MB\nsha256 ${sha256}`);
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
}

if (import.meta.main) main().then((code) => Deno.exit(code));
