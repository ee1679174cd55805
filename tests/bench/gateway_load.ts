/** A real gateway, or the bare proxy, under constant load: programs of their own, real HTTP, a real database. */
import { Agent } from "../agent.ts";
import { type GatewayProcess, startGateway } from "../gateway_process.ts";
import { events, eventually, verdict } from "../integration/gateways.ts";
import { type PostgresCluster, startPostgresCluster } from "../integration/postgres_cluster.ts";
import { cpuMicros, familyCpuMicros, residentMib } from "./cpu_time.ts";
import type { LoadPlan, OpenLoadReport } from "./open_load.ts";

/** One rate on one program. CPU in microseconds per call that was answered with a result. */
export interface LoadRow extends OpenLoadReport {
  readonly program: "bare proxy" | "postgres" | "embedded";
  readonly ratePerSecond: number;
  readonly cpuMicros: number;
  readonly databaseMicros: number | undefined;
  readonly residentMib: number;
  /** Events that are missing from the verified chain; absent for the proxy, which records nothing. */
  readonly lostEvents: number | undefined;
}

/** A program of this folder that runs. */
export interface RunningProgram {
  readonly pid: number;
  readonly firstLine: string;
  stop(): Promise<void>;
}

const CONNECTIONS = 64;
const WARM_UP = { ratePerSecond: 500, seconds: 10 };
const OUTCOMES_TIMEOUT_MS = 30_000;

/** Starts a program and waits for its first line. */
export async function startProgram(file: string, ...args: readonly string[]): Promise<RunningProgram> {
  const path = decodeURIComponent(new URL(file, import.meta.url).pathname);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", path, ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
  }
  return {
    pid: child.pid,
    firstLine: text.trim(),
    stop: async () => {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    },
  };
}

/** The bare proxy at every rate. */
export async function measureProxy(
  upstreamUrl: string,
  rates: readonly number[],
  seconds: number,
  keep: (row: LoadRow) => void,
): Promise<void> {
  const proxy = await startProgram("bare_proxy.ts", upstreamUrl);
  try {
    await load(proxy.firstLine, {}, WARM_UP, 1);
    for (const ratePerSecond of rates) {
      const before = cpuMicros(proxy.pid);
      const report = await load(proxy.firstLine, {}, { ratePerSecond, seconds }, 1);
      keep({
        ...{ ...report, program: "bare proxy", ratePerSecond, residentMib: residentMib(proxy.pid) },
        ...{ cpuMicros: (cpuMicros(proxy.pid) - before) / report.ok },
        ...{ databaseMicros: undefined, lostEvents: undefined },
      });
    }
  } finally {
    await proxy.stop();
  }
}

/** A gateway on one database at every rate, each rate as a tenant of its own whose chain is then counted and verified. */
export async function measureGateway(
  database: "postgres" | "embedded",
  upstreamUrl: string,
  rates: readonly number[],
  seconds: number,
  keep: (row: LoadRow) => void,
): Promise<void> {
  const cluster = database === "postgres" ? await startPostgresCluster() : undefined;
  try {
    const gateway = await startGateway({
      config: { upstreams: { bench: { url: upstreamUrl } } },
      ...(await databaseOf(cluster)),
      readyTimeoutMs: 120_000,
    });
    try {
      await measureTenant(gateway, cluster, "warm-up", WARM_UP);
      for (const ratePerSecond of rates) {
        const tenant = `rate-${ratePerSecond}`;
        const measured = await measureTenant(gateway, cluster, tenant, { ratePerSecond, seconds });
        keep({ ...measured, program: database, ratePerSecond });
      }
    } finally {
      await gateway.stop();
    }
  } finally {
    await cluster?.close();
  }
}

async function databaseOf(cluster: PostgresCluster | undefined) {
  if (cluster === undefined) return {};
  const { databaseUrl, migrationUrl } = await cluster.createDatabase();
  return { databaseUrl, migrationUrl };
}

async function measureTenant(
  gateway: GatewayProcess,
  cluster: PostgresCluster | undefined,
  tenant: string,
  how: Pick<LoadPlan, "ratePerSecond" | "seconds">,
): Promise<Omit<LoadRow, "program" | "ratePerSecond">> {
  const created = await gateway.api("POST", "/api/v1/tenants", { name: tenant });
  if (created.status !== 201) throw new Error(`Cannot create the tenant: ${await created.text()}`);
  await created.body?.cancel();
  const { token } = await gateway.mint({ tenant, agent: "bench", ttl_seconds: 3_600 });
  const agent = await Agent.connect(gateway.url, "bench", token);
  const headers = {
    ...{ authorization: `Bearer ${token}`, "mcp-protocol-version": "2025-11-25" },
    "mcp-session-id": agent.session ?? "",
  };
  const before = [cpuMicros(gateway.pid), databaseMicros(cluster)] as const;
  const report = await load(`${gateway.url}/mcp/bench`, headers, how, 1);
  const after = [cpuMicros(gateway.pid), databaseMicros(cluster)] as const;
  return {
    ...{ ...report, residentMib: residentMib(gateway.pid) },
    cpuMicros: (after[0] - before[0]) / report.ok,
    databaseMicros: cluster === undefined ? undefined : (after[1] - before[1]) / report.ok,
    lostEvents: await lostEvents(gateway, tenant, report.ok),
  };
}

/** Calls that were answered with a result and lack their decision or their outcome in the verified chain. */
async function lostEvents(gateway: GatewayProcess, tenant: string, answered: number): Promise<number> {
  const counts = async () => {
    const all = await events(gateway, tenant);
    const of = (code: string) => all.filter(({ metadata }) => metadata.event_code === code);
    const allowed = of("call.decided").filter(({ unmapped }) => unmapped.decision === "allow").length;
    return { allowed, ended: of("call.ended").length };
  };
  let found = await counts();
  if (found.ended < found.allowed) {
    const settled = async () => (found = await counts()).ended >= found.allowed;
    await eventually(settled, "an outcome for every allow", OUTCOMES_TIMEOUT_MS);
  }
  const said = await verdict(gateway, tenant);
  if (said !== "verified") throw new Error(`The chain of "${tenant}" is "${said}"`);
  return Math.max(0, answered - found.allowed) + Math.max(0, answered - found.ended);
}

function databaseMicros(cluster: PostgresCluster | undefined): number {
  return cluster === undefined ? 0 : familyCpuMicros(cluster.pid());
}

async function load(
  url: string,
  headers: Readonly<Record<string, string>>,
  how: Pick<LoadPlan, "ratePerSecond" | "seconds">,
  first: number,
): Promise<OpenLoadReport> {
  const { hostname, port, pathname: path } = new URL(url);
  const accepted = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  const plan: LoadPlan = {
    ...{ hostname, port: Number(port), path, connections: CONNECTIONS, first, ...how },
    headers: { ...accepted, ...headers },
  };
  const generator = await startProgram("open_load.ts", JSON.stringify(plan));
  try {
    return JSON.parse(generator.firstLine);
  } finally {
    await generator.stop();
  }
}
