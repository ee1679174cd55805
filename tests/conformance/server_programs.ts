/** Tool servers and an authorization server that nobody of us wrote; installed once, see `client_programs.ts`. */
import { installNodeFolder, installPythonFolder, NODE_HINT, runProgram } from "./client_programs.ts";
import type { StdioCommand } from "../../mcp/links/stdio_process.ts";

const PINNED = decodeURIComponent(new URL("./servers", import.meta.url).pathname);
const START_TIMEOUT_MS = 30_000;

/** The folder whose `node_modules` holds the servers. */
export function installNodeServers(): Promise<string> {
  return installNodeFolder("node-servers", PINNED);
}

/** The folder of the Python servers' programs. */
export async function installPythonServers(): Promise<string> {
  return (await installPythonFolder("python-servers", PINNED)).replace(/\/python$/, "");
}

/** How one of `@modelcontextprotocol/server-…` is started. */
export function nodeServer(
  packages: string,
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): StdioCommand {
  const entry = `${packages}/node_modules/@modelcontextprotocol/server-${name}/dist/index.js`;
  return { command: "node", args: [entry, ...args], env };
}

/** A program that runs until it is stopped. */
export interface RunningProgram {
  stop(): Promise<void>;
}

/** Starts a program and waits until something answers on its port. */
export async function startListener(command: StdioCommand, port: number): Promise<RunningProgram> {
  const child = new Deno.Command(command.command, {
    args: [...command.args],
    env: { ...command.env },
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  }).spawn();
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!await answers(port)) {
    if (Date.now() > deadline) throw new Error(`"${command.args.join(" ")}" does not listen on ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    async stop() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

/** Starts npm `oidc-provider` beside its packages, which Node looks for there. */
export async function startOidc(packages: string, port: number): Promise<RunningProgram> {
  const script = `${packages}/oidc.mjs`;
  await Deno.copyFile(`${PINNED}/oidc.mjs`, script);
  return await startListener({ command: "node", args: [script, String(port)], env: {} }, port);
}

/** A folder with a git repository in it. */
export async function makeRepository(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "intentgate_repository_" });
  const ran = await runProgram("git", ["init", "--quiet", folder], { timeoutMs: 10_000, hint: NODE_HINT });
  if (ran.code !== 0) throw new Error(`git init ended with ${ran.code}: ${ran.stderr}`);
  await Deno.writeTextFile(`${folder}/new.txt`, "new\n");
  return folder;
}

function answers(port: number): Promise<boolean> {
  return Deno.connect({ hostname: "127.0.0.1", port }).then((connection) => {
    connection.close();
    return true;
  }, () => false);
}
