/**
 * Installs and runs the MCP clients that nobody of us wrote. Packages are pinned beside the scripts in `clients/` and
 * installed once into a cache folder outside the tree, named by the digest of what is pinned.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";

/** What a client script is told to do. */
export interface ClientOrder {
  readonly url: string;
  readonly token: string;
  readonly allowed: { readonly name: string; readonly arguments: Readonly<Record<string, unknown>> };
  readonly refused: { readonly name: string; readonly arguments: Readonly<Record<string, unknown>> };
}

/** The JSON line that a client script prints. */
export interface ClientReport {
  readonly client: string;
  readonly protocol?: string;
  readonly session?: boolean;
  readonly tools: readonly string[];
  readonly answer: {
    readonly isError: boolean;
    readonly content: readonly { readonly type: string; readonly text?: string }[];
    readonly meta?: Readonly<Record<string, unknown>>;
  };
  readonly refusal: {
    readonly code?: number;
    readonly message?: string;
    readonly data?: Readonly<Record<string, unknown>>;
  };
}

/** How a program ended. */
export interface ProgramRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a client script ended. */
export type ClientRun = ProgramRun;

const SCRIPTS = decodeURIComponent(new URL("./clients", import.meta.url).pathname);
const INSTALL_TIMEOUT_MS = 5 * 60_000;
const CLIENT_TIMEOUT_MS = 60_000;

export const NODE_HINT = "Install Node 20 or newer with npm (Debian: apt-get install nodejs npm)";
export const PYTHON_HINT = "Install Python 3.10 or newer with venv (Debian: apt-get install python3-venv), " +
  "or leave the Python client out with INTENTGATE_TEST_PYTHON=off";

/** Runs a program under a time limit. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly timeoutMs: number; readonly hint: string },
): Promise<ProgramRun> {
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort(), options.timeoutMs);
  try {
    const ran = await new Deno.Command(command, {
      args: [...args],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdin: "null",
      signal: aborter.signal,
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code: ran.code, stdout: decode(ran.stdout), stderr: decode(ran.stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Error(`Cannot find "${command}". ${options.hint}`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function mustRun(...args: Parameters<typeof runProgram>): Promise<void> {
  const ran = await runProgram(...args);
  const [command, list, { hint }] = args;
  if (ran.code === 0) return;
  throw new Error(
    `"${command} ${list.join(" ")}" ended with ${ran.code}. ${hint}\n${ran.stdout}${ran.stderr}`,
  );
}

/**
 * A folder of the cache, made by `install` when it does not exist. It gets its final name only when it is complete, so
 * that an interrupted installation is not taken for one.
 */
async function cached(
  kind: string,
  pinned: string,
  install: (folder: string) => Promise<void>,
): Promise<string> {
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache`;
  const digest = createHash("sha256").update(pinned).digest("hex").slice(0, 16);
  const folder = `${cache}/intentgate-tests/${kind}-${digest}`;
  const mark = `${folder}/.complete`;
  if (await Deno.stat(mark).then(() => true, () => false)) return folder;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.mkdir(folder, { recursive: true });
  await install(folder);
  await Deno.writeTextFile(mark, "");
  return folder;
}

/** The folder whose `node_modules` holds the official clients and server-everything. */
export function installNodePackages(): Promise<string> {
  return installNodeFolder("node", SCRIPTS);
}

/** A folder with what the `package-lock.json` in `pinned` names. */
export async function installNodeFolder(kind: string, pinned: string): Promise<string> {
  const lock = await Deno.readTextFile(`${pinned}/package-lock.json`);
  return await cached(kind, lock, async (folder) => {
    for (const name of ["package.json", "package-lock.json"]) {
      await Deno.copyFile(`${pinned}/${name}`, `${folder}/${name}`);
    }
    const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    await mustRun("npm", args, { cwd: folder, timeoutMs: INSTALL_TIMEOUT_MS, hint: NODE_HINT });
  });
}

/** The Python interpreter of a virtual environment that holds fastmcp. */
export function installPythonPackages(): Promise<string> {
  return installPythonFolder("python", SCRIPTS);
}

/** The Python interpreter of a virtual environment with what the `requirements.txt` in `pinned` names. */
export async function installPythonFolder(kind: string, pinned: string): Promise<string> {
  const list = `${pinned}/requirements.txt`;
  const folder = await cached(kind, await Deno.readTextFile(list), async (target) => {
    const options = { timeoutMs: INSTALL_TIMEOUT_MS, hint: PYTHON_HINT };
    await mustRun("python3", ["-m", "venv", `${target}/venv`], options);
    const pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", list];
    await mustRun(`${target}/venv/bin/python`, pip, options);
  });
  return `${folder}/venv/bin/python`;
}

/** Runs a Node client script in a fresh folder beside the installed packages. */
export async function runNodeClient(
  packages: string,
  script: string,
  order: ClientOrder & { readonly mode?: string },
): Promise<ClientRun> {
  const folder = await Deno.makeTempDir({ prefix: "intentgate_client_" });
  try {
    // Node looks for packages beside the script, so the script goes to the packages and not the other way round.
    await Deno.symlink(`${packages}/node_modules`, `${folder}/node_modules`);
    await Deno.copyFile(`${SCRIPTS}/${script}`, `${folder}/${script}`);
    const options = { cwd: folder, timeoutMs: CLIENT_TIMEOUT_MS, hint: NODE_HINT };
    return await runProgram("node", [script, JSON.stringify(order)], options);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs the Python client script. */
export function runPythonClient(python: string, order: ClientOrder): Promise<ClientRun> {
  const args = [`${SCRIPTS}/pyclient.py`, JSON.stringify(order)];
  return runProgram(python, args, { timeoutMs: CLIENT_TIMEOUT_MS, hint: PYTHON_HINT });
}

/** The report of a client that must have ended well. */
export function reportOf(ran: ClientRun): ClientReport {
  assert.equal(ran.code, 0, `the client ended with ${ran.code}:\n${ran.stdout}${ran.stderr}`);
  return JSON.parse(ran.stdout.trim().split("\n").at(-1) ?? "");
}

/** A running server-everything. */
export interface EverythingServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts `@modelcontextprotocol/server-everything` on a port and waits until it listens. */
export async function startEverything(packages: string, port: number): Promise<EverythingServer> {
  const entry = `${packages}/node_modules/@modelcontextprotocol/server-everything/dist/index.js`;
  const child = new Deno.Command("node", {
    args: [entry, "streamableHttp"],
    env: { PORT: String(port) },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const deadline = Date.now() + 20_000;
  while (!await listens(port)) {
    if (Date.now() > deadline) throw new Error(`server-everything does not listen on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    async stop() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

function listens(port: number): Promise<boolean> {
  return Deno.connect({ hostname: "127.0.0.1", port }).then((connection) => {
    connection.close();
    return true;
  }, () => false);
}
