/** A throwaway PostgreSQL of our own: initdb in a temporary folder, a free port, a password, fsync left on. */
import postgres from "postgres";
import { askedPostgres, findPrograms, type PostgresVersion } from "./postgres_programs.ts";

/** One database of the cluster, by the roles that may log in to it. */
export interface ClusterDatabase {
  /** May only do what it was granted: the run-time role. */
  readonly databaseUrl: string;
  /** Owns the database, and is no superuser: the role that migrates. */
  readonly migrationUrl: string;
  readonly superuserUrl: string;
}

/** A running cluster. */
export interface PostgresCluster {
  readonly port: number;
  /** Process id of the postmaster, parent of all its processes; throws when it does not run. */
  pid(): number;
  /** Makes a fresh database. */
  createDatabase(): Promise<ClusterDatabase>;
  /** Ends the server without warning, as a crash would. */
  kill(): Promise<void>;
  /** SIGKILL to every process of the server at once; `restart` brings it back. */
  killHard(): Promise<void>;
  start(): Promise<void>;
  /** Starts it after `killHard`, as often as it takes until the memory of the killed one is gone. */
  restart(): Promise<void>;
  /** Stops the server and removes its folder. */
  close(): Promise<void>;
}

const PASSWORD = "correct-horse";
const OWNER = "intentgate_owner";
const RUN_TIME = "intentgate";
const RESTART_TIMEOUT_MS = 20_000;
/** What docs/reference/database.md asks for before PostgreSQL 15; newer ones begin with it. */
const SCHEMA_OF_OWNER = [
  "ALTER SCHEMA public OWNER TO pg_database_owner",
  "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
] as const;

/** Starts one; of what INTENTGATE_TEST_POSTGRES asks for, or of the installed programs, when no version is named. */
export async function startPostgresCluster(version?: PostgresVersion): Promise<PostgresCluster> {
  const folder = await Deno.makeTempDir({ prefix: "intentgate-postgres-" });
  const asked = askedPostgres();
  const bin = await findPrograms(version ?? (asked === "off" ? undefined : asked), folder);
  const data = `${folder}/data`;
  await Deno.writeTextFile(`${folder}/password`, PASSWORD);
  const user = await ownerOf(folder);
  const port = freePort();
  const run = (program: string, ...args: string[]) => runAs(user, `${bin}/${program}`, args);
  const start = () => run("pg_ctl", "-D", data, "-w", "-t", "30", "-l", `${folder}/log`, "start");
  await run(
    ...[
      "initdb",
      "-D",
      data,
      "-U",
      "postgres",
      "-A",
      "scram-sha-256",
      "--pwfile",
      `${folder}/password`,
    ] as const,
    ...["-E", "UTF8", "--locale", "C", "--no-sync"] as const,
  );
  await Deno.writeTextFile(
    `${data}/postgresql.conf`,
    `port = ${port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '${folder}'\nmax_connections = 60\n`,
    { append: true },
  );
  await start();
  const urlOf = (user: string, database: string) =>
    `postgres://${user}:${PASSWORD}@127.0.0.1:${port}/${database}`;
  const asSuperuser = async (database: string, ...statements: readonly string[]) => {
    const sql = postgres(urlOf("postgres", database), { max: 1 });
    for (const statement of statements) await sql.unsafe(statement);
    await sql.end();
  };
  await asSuperuser(
    "template1",
    ...SCHEMA_OF_OWNER,
    `CREATE ROLE ${OWNER} LOGIN PASSWORD '${PASSWORD}'`,
    `CREATE ROLE ${RUN_TIME} LOGIN PASSWORD '${PASSWORD}'`,
  );
  const pid = () => Number.parseInt(Deno.readTextFileSync(`${data}/postmaster.pid`));
  let databases = 0;
  return {
    ...{ port, pid },
    start,
    createDatabase: async () => {
      const name = `test_${++databases}`;
      await asSuperuser("postgres", `CREATE DATABASE ${name} OWNER ${OWNER}`);
      return {
        databaseUrl: urlOf(RUN_TIME, name),
        migrationUrl: urlOf(OWNER, name),
        superuserUrl: urlOf("postgres", name),
      };
    },
    kill: () => run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"),
    killHard: () => killWithChildren(pid()),
    restart: async () => {
      const until = Date.now() + RESTART_TIMEOUT_MS;
      for (let started = false; !started;) {
        started = await start().then(() => true, async (error) => {
          if (Date.now() > until) throw error;
          await new Promise((resolve) => setTimeout(resolve, 100));
          return false;
        });
      }
    },
    close: async () => {
      await run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop").catch(() => {});
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** A port on which nothing listens now. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

async function* readFolder(folder: string): AsyncGenerator<string> {
  try {
    for await (const entry of Deno.readDir(folder)) yield entry.name;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** PostgreSQL refuses to run as root: then another user owns the folder and runs it. */
async function ownerOf(folder: string): Promise<string | undefined> {
  if (Deno.uid() !== 0) return undefined;
  const accounts = (await Deno.readTextFile("/etc/passwd")).split("\n").map((line) => line.split(":"));
  const account = accounts.find(([name]) => name === "postgres") ??
    accounts.find(([name]) => name === "nobody");
  if (account === undefined) throw new Error('Expected a user "postgres" or "nobody" to run PostgreSQL as');
  for (const path of [folder, `${folder}/password`]) {
    await Deno.chown(path, Number(account[2]), Number(account[3]));
  }
  return account[0];
}

/** The parent first, so that it cannot start a child anew. */
async function killWithChildren(parent: number): Promise<void> {
  const children: number[] = [];
  for await (const name of readFolder("/proc")) {
    const status = /^\d+$/.test(name) ? await Deno.readTextFile(`/proc/${name}/status`).catch(() => "") : "";
    if (new RegExp(`^PPid:\\s+${parent}$`, "m").test(status)) children.push(Number(name));
  }
  for (const pid of [parent, ...children]) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

async function runAs(user: string | undefined, program: string, args: readonly string[]): Promise<void> {
  const [command, before] = user === undefined ? [program, []] : ["runuser", ["-u", user, "--", program]];
  const output = await new Deno.Command(command, {
    args: [...before, ...args],
    cwd: "/",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (output.success) return;
  throw new Error(`${program} ended with code ${output.code}: ${new TextDecoder().decode(output.stderr)}`);
}
