/**
 * Installs and runs the MCP clients that nobody of us wrote. Packages are pinned beside the scripts in `clients/` and
 * installed once into a cache folder outside the tree, named by the digest of what is pinned.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";

/** A call as a client makes it. */
export interface ClientCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** What a client program is told to do. */
export interface ClientOrder {
  readonly url: string;
  readonly token: string;
  /** What the program makes of it is its own: how it finds the protocol era. */
  readonly mode?: string;
  readonly allowed: ClientCall;
  /** A listed tool, with arguments that the token does not allow. */
  readonly refused: ClientCall;
  /** A tool that the token does not list. */
  readonly hidden: ClientCall;
  /** Another endpoint, whose refusals are tool results: a call that is given up once `begunUrl` has answered. */
  readonly waiting: ClientCall & {
    readonly url: string;
    readonly refused: ClientCall;
    readonly begunUrl: string;
    /** Answers when the upstream knows that the call was given up. */
    readonly cancelledUrl: string;
  };
}

/** What the program got: a result, or the error that its library threw. */
export interface ClientOutcome {
  readonly result?: unknown;
  readonly error?: {
    readonly code?: number | string;
    readonly message: string;
    readonly data?: Readonly<Record<string, unknown>>;
  };
}

/** The JSON line that a client program prints. */
export interface ClientReport {
  /** Where the library tells. */
  readonly protocol?: string;
  readonly tools: readonly string[];
  readonly answer: { readonly content: readonly { readonly text?: string }[] };
  readonly refusal: ClientOutcome;
  readonly absence: ClientOutcome;
  readonly refusedResult: ClientOutcome;
  readonly cancelled: ClientOutcome;
}

/** How a program ended. */
export interface ProgramRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const SCRIPTS = decodeURIComponent(new URL("./clients", import.meta.url).pathname);
const INSTALL_TIMEOUT_MS = 5 * 60_000;
/** A program takes a few seconds; on a machine that does much else, many more. */
const CLIENT_TIMEOUT_MS = 120_000;

export const NODE_HINT = "Install Node 20 or newer with npm (Debian: apt-get install nodejs npm)";
export const PYTHON_HINT = "Install Python 3.10 or newer with venv (Debian: apt-get install python3-venv), " +
  "or leave the Python client out with INTENTGATE_TEST_PYTHON=off";

/** Runs a program under a time limit. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly timeoutMs: number;
    readonly hint: string;
  },
): Promise<ProgramRun> {
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort(), options.timeoutMs);
  try {
    const ran = await new Deno.Command(command, {
      args: [...args],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: { ...options.env } }),
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

/** The folder whose `node_modules` holds the clients and server-everything. */
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

/** The Python interpreters of the clients: LangChain's needs another version of `mcp` than the others. */
export async function installPythonClients(): Promise<
  { readonly others: string; readonly langchain: string }
> {
  const [others, langchain] = await Promise.all([
    installPythonFolder("python", SCRIPTS),
    installPythonFolder("python-langchain", `${SCRIPTS}/langchain`),
  ]);
  return { others, langchain };
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

/** A fresh folder with files of `clients/` beside the packages. */
export async function layOutNodeProgram(packages: string, files: readonly string[]): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "intentgate_client_" });
  // Node looks for packages beside the script, so the script goes to the packages and not the other way round.
  await Deno.symlink(`${packages}/node_modules`, `${folder}/node_modules`);
  for (const name of files) await Deno.copyFile(`${SCRIPTS}/${name}`, `${folder}/${name}`);
  return folder;
}

/** Runs a Node client program, with `node` from the folder `nodeFolder` where there is one. */
export async function runNodeClient(
  { packages, nodeFolder }: { readonly packages: string; readonly nodeFolder: string | undefined },
  script: string,
  order: object,
): Promise<ProgramRun> {
  const folder = await layOutNodeProgram(packages, ["order.mjs", "inspector.sh", script]);
  try {
    const path = [nodeFolder, `${packages}/node_modules/.bin`, Deno.env.get("PATH")];
    const env = { PATH: path.filter((part) => part !== undefined).join(":"), HOME: folder };
    const options = { cwd: folder, env, timeoutMs: CLIENT_TIMEOUT_MS, hint: NODE_HINT };
    const node = nodeFolder === undefined ? "node" : `${nodeFolder}/node`;
    return await runProgram(node, [script, JSON.stringify(order)], options);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs a Python client program. */
export function runPythonClient(python: string, script: string, order: ClientOrder): Promise<ProgramRun> {
  const env = { PYTHONDONTWRITEBYTECODE: "1" };
  const options = { env, timeoutMs: CLIENT_TIMEOUT_MS, hint: PYTHON_HINT };
  return runProgram(python, [`${SCRIPTS}/${script}`, JSON.stringify(order)], options);
}

/** The report of a client that must have ended well. */
export function reportOf(ran: ProgramRun): ClientReport {
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
