/** Builds the Go programs that are pinned in `audit_log/` and `witness/`, once, into a cache folder outside the tree. */
import { createHash } from "node:crypto";
import { type ProgramRun, runProgram } from "./client_programs.ts";

const pathOf = (folder: string) => decodeURIComponent(new URL(`./${folder}`, import.meta.url).pathname);
const BUILD_TIMEOUT_MS = 5 * 60_000;
const HINT = "Install Go 1.25 or newer (https://go.dev/dl)";

/** The Go program, `undefined` where there is none or INTENTGATE_TEST_GO=off leaves it out: such tests are not run. */
export function findGo(): string | undefined {
  if (Deno.env.get("INTENTGATE_TEST_GO") === "off") return undefined;
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/local/go/bin"];
  return folders.map((folder) => `${folder}/go`).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** Programs by name: `fsck` of Tessera, and `proofs`, which compares with Go's checksum database. */
export async function buildGoPrograms(
  go: string,
): Promise<{ readonly fsck: string; readonly proofs: string }> {
  const packages = { fsck: "github.com/transparency-dev/tessera/cmd/fsck", proofs: "." };
  return await buildPinned(go, "audit_log", ["go.mod", "go.sum", "proofs.go"], packages);
}

/** `litewitness`, a witness that many logs use. */
export async function buildWitness(go: string): Promise<string> {
  const packages = { litewitness: "filippo.io/torchwood/cmd/litewitness" };
  return (await buildPinned(go, "witness", ["go.mod", "go.sum"], packages)).litewitness;
}

async function buildPinned<Name extends string>(
  go: string,
  pinned: string,
  sources: readonly string[],
  packages: Readonly<Record<Name, string>>,
): Promise<Readonly<Record<Name, string>>> {
  const hash = createHash("sha256");
  for (const name of sources) hash.update(await Deno.readFile(`${pathOf(pinned)}/${name}`));
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache`;
  const folder = `${cache}/intentgate-tests/go-${hash.digest("hex").slice(0, 16)}`;
  const programs: Record<string, string> = {};
  for (const [name, path] of Object.entries<string>(packages)) {
    const program = `${folder}/${name}`;
    programs[name] = program;
    if (await Deno.stat(program).then(() => true, () => false)) continue;
    // Built beside its place and moved there when it is complete.
    const args = ["build", "-mod=readonly", "-trimpath", "-o", `${program}.new`, path];
    const ran = await runProgram(go, args, { cwd: pathOf(pinned), timeoutMs: BUILD_TIMEOUT_MS, hint: HINT });
    if (ran.code !== 0) throw new Error(`go ${args.join(" ")} ended with ${ran.code}\n${ran.stderr}`);
    await Deno.rename(`${program}.new`, program);
  }
  return programs as Record<Name, string>;
}

/** Runs a program with a text as its input. */
export async function runWithInput(
  program: string,
  args: readonly string[],
  input: string,
): Promise<ProgramRun> {
  const command = new Deno.Command(program, {
    ...{ args: [...args], stdin: "piped", stdout: "piped", stderr: "piped" },
  });
  const child = command.spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await output;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
