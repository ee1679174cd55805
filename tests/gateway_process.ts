/** The real gateway as a child process: what integration, attack, conformance and binary tests talk to. */
import type { JsonObject } from "../core/json.ts";

/** How to start it. Everything has a default: the sources, the embedded database, fresh folders, a free port. */
export interface GatewayOptions {
  /** Written to a JSON file that INTENTGATE_CONFIG names. */
  readonly config?: JsonObject;
  /** Absent: the embedded database. */
  readonly databaseUrl?: string;
  /** Absent: one role migrates and serves. */
  readonly migrationUrl?: string;
  /** Absent: a fresh folder, removed by `stop` and `kill`. Give one to start again on the same data. */
  readonly dataDir?: string;
  /** Absent: a free port of 127.0.0.1. */
  readonly port?: number;
  /** Absent: the admin API has no listener of its own. */
  readonly adminPort?: number;
  /** Further environment; INTENTGATE_* and DATABASE_URL of the caller's own environment are not passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Program and first arguments; `serve` follows. Absent: `deno run -A main.ts`. */
  readonly command?: readonly string[];
  readonly cwd?: string;
  readonly readyTimeoutMs?: number;
}

/** What `POST /api/v1/tokens` answers. */
export interface MintedToken {
  readonly token: string;
  readonly jti: string;
  readonly expires_at: number;
}

/** Thrown when the program ends before it is ready: what it printed and how it ended. */
export class GatewayExited extends Error {
  override readonly name = "GatewayExited";
  constructor(readonly code: number, readonly stdout: string, readonly stderr: string) {
    super(`The gateway ended with ${code} before it was ready:\n${stdout}${stderr}`);
  }
}

/** Everything that the child prints is kept, newest last, up to this many characters per stream. */
const MAX_OUTPUT = 2_000_000;
const STOP_TIMEOUT_MS = 30_000;

/** A running gateway. `await using` stops it. */
export class GatewayProcess {
  readonly #child: Deno.ChildProcess;
  readonly #output = { stdout: "", stderr: "" };
  readonly #reading: Promise<unknown>;
  readonly #cleanUp: () => Promise<void>;
  #ended: Deno.CommandStatus | undefined;

  constructor(
    child: Deno.ChildProcess,
    /** For example `http://127.0.0.1:41234`, without a final slash. */
    readonly url: string,
    readonly dataDir: string,
    cleanUp: () => Promise<void>,
    /** Where the admin API and `/readyz` are. */
    readonly adminUrl: string = url,
  ) {
    this.#child = child;
    this.#cleanUp = cleanUp;
    child.status.then((status) => this.#ended = status);
    this.#reading = Promise.all([this.#keep("stdout"), this.#keep("stderr")]);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get stdout(): string {
    return this.#output.stdout;
  }

  get stderr(): string {
    return this.#output.stderr;
  }

  /** Settles when the process has ended, however that came. */
  get exited(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  /** The operator token that the gateway generated; throws when it was given by the environment. */
  async operatorToken(): Promise<string> {
    return (await Deno.readTextFile(`${this.dataDir}/operator_token`)).trim();
  }

  /** A request to the admin API as the root operator. */
  async api(method: string, path: string, body?: JsonObject): Promise<Response> {
    return await fetch(`${this.adminUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${await this.operatorToken()}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** Mints a token, or throws with what the gateway answered. */
  async mint(body: JsonObject): Promise<MintedToken> {
    const response = await this.api("POST", "/api/v1/tokens", body);
    const text = await response.text();
    if (response.status !== 201) throw new Error(`Cannot mint: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  /** SIGTERM, then waits for the drain; throws when it does not end in time. Returns the exit code. */
  async stop(): Promise<number> {
    this.#signal("SIGTERM");
    const timer = setTimeout(() => this.#signal("SIGKILL"), STOP_TIMEOUT_MS);
    const { code, signal } = await this.#child.status;
    clearTimeout(timer);
    await this.#reading;
    await this.#cleanUp();
    if (signal === "SIGKILL") throw new Error(`The gateway did not end within ${STOP_TIMEOUT_MS} ms`);
    return code;
  }

  /** SIGKILL. A data folder that was given stays for a next start. */
  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.#child.status;
    await this.#reading;
    await this.#cleanUp();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Waits for `GET /readyz` 200. */
  async ready(timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    let last = "no answer";
    while (Date.now() < deadline) {
      await delay(50);
      if (this.#ended !== undefined) {
        await this.#reading;
        throw new GatewayExited(this.#ended.code, this.stdout, this.stderr);
      }
      try {
        const response = await fetch(`${this.adminUrl}/readyz`, { signal: AbortSignal.timeout(2000) });
        last = `${response.status} ${await response.text()}`;
        if (response.status === 200) return;
      } catch (error) {
        last = String(error);
      }
    }
    throw new Error(`The gateway was not ready after ${timeoutMs} ms: ${last}\n${this.stdout}${this.stderr}`);
  }

  #signal(signal: "SIGTERM" | "SIGKILL"): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It has ended already: that is what was wanted.
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async #keep(stream: "stdout" | "stderr"): Promise<void> {
    for await (const chunk of this.#child[stream].pipeThrough(new TextDecoderStream())) {
      this.#output[stream] = (this.#output[stream] + chunk).slice(-MAX_OUTPUT);
    }
  }
}

/** Starts a gateway and waits until it is ready. Throws `GatewayExited` when it ends before that. */
export async function startGateway(options: GatewayOptions = {}): Promise<GatewayProcess> {
  const scratch = await Deno.makeTempDir({ prefix: "intentgate_gateway_" });
  const dataDir = options.dataDir ?? `${scratch}/data`;
  const listen = `127.0.0.1:${options.port ?? freePort()}`;
  const env = {
    ...cleanEnvironment(),
    INTENTGATE_LISTEN: listen,
    INTENTGATE_DATA_DIR: dataDir,
    ...options.env,
  };
  const adminListen = options.adminPort === undefined ? undefined : `127.0.0.1:${options.adminPort}`;
  if (adminListen !== undefined) Object.assign(env, { INTENTGATE_ADMIN_LISTEN: adminListen });
  if (options.databaseUrl !== undefined) Object.assign(env, { DATABASE_URL: options.databaseUrl });
  if (options.migrationUrl !== undefined) {
    Object.assign(env, { DATABASE_MIGRATION_URL: options.migrationUrl });
  }
  if (options.config !== undefined) {
    await Deno.writeTextFile(`${scratch}/config.json`, JSON.stringify(options.config));
    Object.assign(env, { INTENTGATE_CONFIG: `${scratch}/config.json` });
  }
  const [program, ...args] = options.command ?? gatewayFromSource();
  if (program === undefined) throw new TypeError("Cannot start a gateway: the command is empty");
  const child = new Deno.Command(program, {
    args: [...args, "serve"],
    cwd: options.cwd ?? scratch,
    clearEnv: true,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const gateway = new GatewayProcess(
    child,
    `http://${listen}`,
    dataDir,
    () => Deno.remove(scratch, { recursive: true }).catch(ignoreMissing),
    adminListen === undefined ? undefined : `http://${adminListen}`,
  );
  try {
    await gateway.ready(options.readyTimeoutMs ?? 30_000);
    return gateway;
  } catch (error) {
    await gateway.kill();
    throw error;
  }
}

/** `deno run -A main.ts`, from whatever folder the test runs in. */
export function gatewayFromSource(): readonly string[] {
  const path = (name: string) => decodeURIComponent(new URL(`../${name}`, import.meta.url).pathname);
  return [Deno.execPath(), "run", "-A", "--config", path("deno.json"), path("main.ts")];
}

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

function cleanEnvironment(): Record<string, string> {
  const entries = Object.entries(Deno.env.toObject());
  return Object.fromEntries(
    entries.filter(([name]) => !name.startsWith("INTENTGATE_") && !name.startsWith("DATABASE_")),
  );
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
