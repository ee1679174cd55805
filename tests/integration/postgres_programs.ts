/** Where PostgreSQL's programs are: those of the machine, or those of a version that npm brings. */
import { installNodeFolder, NODE_HINT, runProgram } from "../conformance/client_programs.ts";

/** The oldest version that is promised, and the newest; `postgres_programs/package.json` pins what npm brings. */
export const POSTGRES_VERSIONS = ["14", "18"] as const;

/** One of them. */
export type PostgresVersion = typeof POSTGRES_VERSIONS[number];

/** Whether npm has such programs for this machine. */
export const HAS_POSTGRES_VERSIONS = `${Deno.build.os} ${Deno.build.arch}` === "linux x86_64";

const PINNED = decodeURIComponent(new URL("./postgres_programs", import.meta.url).pathname);
const COPY_TIMEOUT_MS = 60_000;

/** What INTENTGATE_TEST_POSTGRES says: no tests on PostgreSQL, those of a version, or what is installed. */
export function askedPostgres(): PostgresVersion | "off" | undefined {
  const asked = Deno.env.get("INTENTGATE_TEST_POSTGRES");
  if (asked === undefined || asked === "") return undefined;
  const known = [...POSTGRES_VERSIONS, "off"] as const;
  return known.find((one) => one === asked) ??
    fail(`Expected INTENTGATE_TEST_POSTGRES to be one of ${known.join(", ")}, got "${asked}"`);
}

/** The folder of `initdb`, `pg_ctl` and `postgres`; those of a version are copied into `folder`. */
export function findPrograms(version: PostgresVersion | undefined, folder: string): Promise<string> {
  return version === undefined ? findInstalled() : copyVersion(version, folder);
}

/** A copy, because the user that runs them may not look into the cache of the one who installed them. */
async function copyVersion(version: PostgresVersion, folder: string): Promise<string> {
  if (!HAS_POSTGRES_VERSIONS) fail(`Expected Linux on x86-64 to run PostgreSQL ${version} from npm`);
  const packages = await installNodeFolder("postgres", PINNED);
  const args = ["-R", `${packages}/node_modules/postgres-${version}/native`, folder];
  const copied = await runProgram("cp", args, { timeoutMs: COPY_TIMEOUT_MS, hint: NODE_HINT });
  if (copied.code !== 0) fail(`Cannot copy PostgreSQL ${version}: ${copied.stderr}`);
  // npm cannot carry symbolic links; the package's own script, which is not run, makes them of this list.
  const links = JSON.parse(await Deno.readTextFile(`${folder}/native/pg-symlinks.json`));
  for (const { source, target } of links as readonly { readonly source: string; readonly target: string }[]) {
    await Deno.symlink(source.split("/").at(-1) ?? source, `${folder}/${target}`);
  }
  return `${folder}/native/bin`;
}

async function findInstalled(): Promise<string> {
  const candidates = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder !== "");
  for (const version of await namesIn("/usr/lib/postgresql")) {
    candidates.push(`/usr/lib/postgresql/${version}/bin`);
  }
  for (const folder of candidates) {
    // A package manager's wrapper in PATH may exist without the server: ask for all that is needed.
    const present = await Promise.all(
      ["initdb", "pg_ctl", "postgres"].map((name) => Deno.stat(`${folder}/${name}`).catch(() => undefined)),
    );
    if (present.every((file) => file !== undefined)) return await Deno.realPath(folder);
  }
  return fail(
    "Expected initdb, pg_ctl and postgres in PATH or in /usr/lib/postgresql/*/bin; install PostgreSQL 14 or newer, " +
      `or say INTENTGATE_TEST_POSTGRES=${POSTGRES_VERSIONS.at(-1)} or INTENTGATE_TEST_POSTGRES=off`,
  );
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function fail(message: string): never {
  throw new Error(message);
}
