/** Starts `litewitness` with a key of its own in an ssh-agent, as its README describes. */
import { DatabaseSync } from "node:sqlite";
import { createHash } from "node:crypto";
import { freePort } from "../gateway_process.ts";
import { runProgram } from "./client_programs.ts";

/** A running witness. */
export interface Witness {
  /** Its submission prefix. */
  readonly url: string;
  /** Its verifier key, as it says itself. */
  readonly key: string;
  /** What `witnessctl add-log` and `add-key` do. Only its database is touched: that program cannot be built everywhere. */
  addLog(origin: string, keys: readonly string[]): void;
  /** Size of the last checkpoint of a log that it cosigned. */
  sizeOf(origin: string): number;
  stop(): Promise<void>;
}

const HINT = "Install an SSH client (Debian: apt-get install openssh-client)";
const START_TIMEOUT_MS = 15_000;

/** Starts it; it is stopped by `stop`, with its agent. */
export async function startWitness(program: string, name = "witness.example/one"): Promise<Witness> {
  const folder = await Deno.makeTempDir({ prefix: "intentgate_witness_" });
  const [key, socket] = [`${folder}/key`, `${folder}/agent`];
  await must("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  const fingerprint = (await must("ssh-keygen", ["-l", "-f", `${key}.pub`])).split(" ")[1] ?? "";
  const agent = new Deno.Command("ssh-agent", { args: ["-D", "-a", socket], stdout: "null", stderr: "null" })
    .spawn();
  await until(() => Deno.statSync(socket).isSocket === true, "ssh-agent");
  await must("ssh-add", ["-q", key], { SSH_AUTH_SOCK: socket });
  const listen = `127.0.0.1:${freePort()}`;
  const child = new Deno.Command(program, {
    args: [
      "-name",
      name,
      "-db",
      `${folder}/db`,
      "-ssh-agent",
      socket,
      "-key",
      fingerprint,
      "-listen",
      listen,
    ],
    ...{ stdin: "null", stdout: "null", stderr: "piped" },
  }).spawn();
  let printed = "";
  const reading = (async () => {
    for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) printed += chunk;
  })();
  const vkey = () => /vkey="?([^\s"]+)/.exec(printed)?.[1] ?? "";
  await until(() => vkey() !== "" && printed.includes("listening"), "litewitness", () => printed);
  return {
    ...{ url: `http://${listen}`, key: vkey() },
    addLog: (origin, keys) => addLog(`${folder}/db`, origin, keys),
    sizeOf: (origin) => sizeOf(`${folder}/db`, origin),
    async stop() {
      for (const process of [child, agent]) {
        process.kill("SIGKILL");
        await process.status;
      }
      await reading;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

function addLog(path: string, origin: string, keys: readonly string[]): void {
  const emptyRoot = createHash("sha256").digest("base64");
  using database = new DatabaseSync(path);
  database.prepare("INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)").run(origin, emptyRoot);
  for (const key of keys) {
    database.prepare("INSERT INTO key (origin, key) VALUES (?, ?)").run(origin, key);
  }
}

function sizeOf(path: string, origin: string): number {
  using database = new DatabaseSync(path);
  return Number(database.prepare("SELECT tree_size FROM log WHERE origin = ?").get(origin)?.tree_size ?? -1);
}

async function must(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const ran = await runProgram("env", [
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ...[command, ...args],
  ], { timeoutMs: 10_000, hint: HINT });
  if (ran.code !== 0) throw new Error(`"${command}" ended with ${ran.code}. ${HINT}\n${ran.stderr}`);
  return ran.stdout;
}

async function until(holds: () => boolean, what: string, printed = () => ""): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      if (holds()) return;
    } catch {
      // not there yet
    }
    if (Date.now() > deadline) throw new Error(`${what} did not start\n${printed()}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}
