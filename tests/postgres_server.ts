/** A real PostgreSQL of its own for one test run: fresh cluster, free port, password, gone afterwards. */

import { freePort } from "./gateway_process.ts";

/** A running server; `url` names a superuser and the database `postgres`. */
export interface PostgresServer {
  readonly url: string;
  /** Id of the postmaster, for tests that kill it. */
  readonly pid: number;
  stop(): Promise<void>;
}

const INSTALL_HINT =
  "Install PostgreSQL 14 or newer (Debian: apt-get install postgresql), name a server with " +
  "INTENTGATE_TEST_POSTGRES=postgres://…, or leave these tests out with INTENTGATE_TEST_POSTGRES=off";

/** Debian keeps the server's programs outside PATH, one folder per version; the newest wins. */
async function findPrograms(): Promise<string> {
  const versions: number[] = [];
  try {
    for await (const { name } of Deno.readDir("/usr/lib/postgresql")) versions.push(Number(name));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const folders = versions.filter(Number.isInteger).sort((a, b) => b - a)
    .map((version) => `/usr/lib/postgresql/${version}/bin`);
  for (const folder of [...folders, ...(Deno.env.get("PATH") ?? "").split(":")]) {
    if (await isFile(`${folder}/initdb`) && await isFile(`${folder}/postgres`)) return folder;
  }
  throw new Error(`Cannot find the programs "initdb" and "postgres". ${INSTALL_HINT}`);
}

function isFile(path: string): Promise<boolean> {
  return Deno.stat(path).then((info) => info.isFile, () => false);
}

/** PostgreSQL refuses to run as root: then it runs as the user that its package made, or as nobody. */
async function serverUser(): Promise<{ readonly uid?: number; readonly gid?: number }> {
  if (Deno.uid() !== 0) return {};
  for (const user of ["postgres", "nobody"]) {
    const { code, stdout } = await new Deno.Command("id", { args: ["-u", user], stderr: "null" }).output();
    if (code !== 0) continue;
    const group = await new Deno.Command("id", { args: ["-g", user] }).output();
    const number = (bytes: Uint8Array) => Number(new TextDecoder().decode(bytes));
    return { uid: number(stdout), gid: number(group.stdout) };
  }
  throw new Error('Cannot run PostgreSQL as root: neither user "postgres" nor "nobody" exists');
}

/** Starts a server. Throws with a hint when PostgreSQL is not installed. */
export async function startPostgres(): Promise<PostgresServer> {
  const programs = await findPrograms();
  const user = await serverUser();
  const folder = await Deno.makeTempDir({ prefix: "intentgate_postgres_" });
  const password = crypto.randomUUID();
  await Deno.writeTextFile(`${folder}/password`, password);
  if (user.uid !== undefined && user.gid !== undefined) {
    await Deno.chown(folder, user.uid, user.gid);
    await Deno.chown(`${folder}/password`, user.uid, user.gid);
  }
  const initdb = await new Deno.Command(`${programs}/initdb`, {
    args: ["-D", `${folder}/data`, "-U", "intentgate", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C"]
      .concat(["--no-sync", `--pwfile=${folder}/password`]),
    cwd: folder,
    ...user,
  }).output();
  if (initdb.code !== 0) throw new Error(`Cannot make a cluster: ${new TextDecoder().decode(initdb.stderr)}`);
  const port = freePort();
  const child = new Deno.Command(`${programs}/postgres`, {
    // Without fsync a power failure would lose data, a killed process does not: enough for tests, and much faster.
    args: ["-D", `${folder}/data`, "-h", "127.0.0.1", "-p", String(port), "-k", folder]
      .concat(["-c", "fsync=off", "-c", "max_connections=200"]),
    cwd: folder,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    ...user,
  }).spawn();
  await readUntilReady(child);
  return {
    url: `postgres://intentgate:${password}@127.0.0.1:${port}/postgres`,
    pid: child.pid,
    async stop() {
      // SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
      try {
        child.kill("SIGINT");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Waits for the line that says so, and keeps reading afterwards: a full pipe would stop the server. */
function readUntilReady(child: Deno.ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const follow = async () => {
      let seen = "";
      for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
        seen = (seen + chunk).slice(-10_000);
        if (seen.includes("ready to accept connections")) resolve();
      }
      reject(new Error(`PostgreSQL ended before it was ready:\n${seen}`));
    };
    follow().catch(reject);
  });
}
