/** Toxiproxy 2.5.0 from its Go module, built once into a cache folder: a TCP proxy that spoils connections on request. */
import { freePort } from "../gateway_process.ts";

const MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0";
const READY_TIMEOUT_MS = 10_000;

/** One proxied server. */
export interface Toxiproxy {
  /** Connect here instead of to the server. */
  readonly port: number;
  /** Nothing passes any more, in either direction, and no connection is closed. */
  blackHole(): Promise<void>;
  /** Answers of the server take this much longer. */
  slow(latencyMs: number): Promise<void>;
  /** Cuts all connections and refuses new ones, or accepts them again. */
  enable(enabled: boolean): Promise<void>;
  /** Passes everything on again. */
  heal(): Promise<void>;
  close(): Promise<void>;
}

/** Starts it in front of a port of this machine. */
export async function startToxiproxy(targetPort: number): Promise<Toxiproxy> {
  const [apiPort, port] = [freePort(), freePort()];
  const child = new Deno.Command(await findServer(), {
    args: ["-host", "127.0.0.1", "-port", String(apiPort)],
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  }).spawn();
  const api = async (method: string, path: string, body?: unknown): Promise<void> => {
    const response = await fetch(`http://127.0.0.1:${apiPort}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`Toxiproxy refused ${method} ${path}: ${response.status} ${text}`);
  };
  await answering(() => api("GET", "/version"));
  await api("POST", "/proxies", {
    ...{ name: "db", listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${targetPort}`, enabled: true },
  });
  const toxic = (type: string, stream: string, attributes: Readonly<Record<string, number>>) =>
    api("POST", "/proxies/db/toxics", { name: `${type}_${stream}`, type, stream, attributes });
  return {
    port,
    blackHole: async () => {
      for (const stream of ["upstream", "downstream"]) await toxic("timeout", stream, { timeout: 0 });
    },
    slow: (latency) => toxic("latency", "downstream", { latency }),
    enable: (enabled) => api("POST", "/proxies/db", { enabled }),
    heal: () => api("POST", "/reset"),
    close: async () => {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

async function answering(ask: () => Promise<void>): Promise<void> {
  const until = Date.now() + READY_TIMEOUT_MS;
  for (let answered = false; !answered;) {
    answered = await ask().then(() => true, async (error) => {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return false;
    });
  }
}

/** The program, built when it is not there yet. */
async function findServer(): Promise<string> {
  const caches = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache`;
  const folder = `${caches}/intentgate-tests/toxiproxy-2.5.0`;
  const server = `${folder}/server`;
  if (await Deno.stat(server).then(() => true, () => false)) return server;
  try {
    const command = new Deno.Command("go", { args: ["install", MODULE], env: { GOBIN: folder } });
    const { success, stderr } = await command.output();
    if (!success) {
      throw new Error(`Cannot build toxiproxy: ${new TextDecoder().decode(stderr).slice(-2_000)}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`Expected Go in PATH to build ${MODULE}, or the built program as ${server}`);
  }
  return server;
}
