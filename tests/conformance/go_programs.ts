/** Builds the Go programs that are pinned in `audit_log/`, once, into a cache folder outside the tree. */
import { createHash } from "node:crypto";
import { type ProgramRun, runProgram } from "./client_programs.ts";

const PINNED = decodeURIComponent(new URL("./audit_log", import.meta.url).pathname);
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
  const hash = createHash("sha256");
  for (const name of ["go.mod", "go.sum", "proofs.go"]) hash.update(await Deno.readFile(`${PINNED}/${name}`));
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache`;
  const folder = `${cache}/intentgate-tests/go-${hash.digest("hex").slice(0, 16)}`;
  const programs = { fsck: `${folder}/fsck`, proofs: `${folder}/proofs` };
  const packages = { fsck: "github.com/transparency-dev/tessera/cmd/fsck", proofs: "." };
  for (const name of ["fsck", "proofs"] as const) {
    if (await Deno.stat(programs[name]).then(() => true, () => false)) continue;
    // Built beside its place and moved there when it is complete.
    const args = ["build", "-mod=readonly", "-trimpath", "-o", `${programs[name]}.new`, packages[name]];
    const ran = await runProgram(go, args, { cwd: PINNED, timeoutMs: BUILD_TIMEOUT_MS, hint: HINT });
    if (ran.code !== 0) throw new Error(`go ${args.join(" ")} ended with ${ran.code}\n${ran.stderr}`);
    await Deno.rename(`${programs[name]}.new`, programs[name]);
  }
  return programs;
}

/** Runs a program with a text as its input. */
export async function runWithInput(program: string, input: string): Promise<ProgramRun> {
  const child = new Deno.Command(program, { stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await output;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
