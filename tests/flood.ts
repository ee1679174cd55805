/**
 * A program of its own that calls `count` at a constant rate over many plain connections and does not wait for anybody:
 * what is due while no connection is free is given up and counted. Prints a report as JSON.
 */

/** What to offer. */
export interface FloodPlan {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly ratePerSecond: number;
  readonly seconds: number;
  /** Calls that may be under way at once, each on a connection of its own. */
  readonly connections: number;
  /** Number of the first call; the tool gets it as its argument `n`. */
  readonly first: number;
}

/** What became of it. */
export interface FloodReport {
  readonly seconds: number;
  readonly sent: number;
  /** Calls that were due while every connection was in use. */
  readonly givenUp: number;
  readonly allowed: number;
  /** 503 with `retry-after` and a JSON-RPC error. */
  readonly overloaded: number;
  /** Everything else that was answered, by HTTP status and code. */
  readonly others: Readonly<Record<string, number>>;
  /** Connections that ended without an answer. */
  readonly broken: number;
  /** Of allowed calls, and of those that were refused for overload. Milliseconds. */
  readonly allowedMs: Percentiles;
  readonly overloadedMs: Percentiles;
}

/** Milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const TICK_MS = 4;
const DRAIN_MS = 20_000;
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** Runs the program in a process of its own. */
export async function flood(plan: FloodPlan): Promise<FloodReport> {
  const path = decodeURIComponent(new URL(import.meta.url).pathname);
  const args = ["run", "-A", "--no-check", path, JSON.stringify(plan)];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  if (code !== 0) throw new Error(`The flood ended with ${code}: ${DECODER.decode(stderr)}`);
  return JSON.parse(DECODER.decode(stdout));
}

class Tally {
  readonly others: Record<string, number> = {};
  readonly allowedMs: number[] = [];
  readonly overloadedMs: number[] = [];
  broken = 0;

  count(status: number, head: string, body: string, ms: number): void {
    if (status === 200 && body.includes('"result"')) return void this.allowedMs.push(ms);
    const code = /"code":"(\w+)"/.exec(body)?.[1] ?? "";
    if (status === 503 && /\r\nretry-after: \d+\r\n/i.test(head) && body.includes('"code":-31020')) {
      return void this.overloadedMs.push(ms);
    }
    const name = `${status} ${code}`;
    this.others[name] = (this.others[name] ?? 0) + 1;
  }
}

async function run(plan: FloodPlan): Promise<FloodReport> {
  const tally = new Tally();
  const idle: Client[] = [];
  for (let index = 0; index < plan.connections; index++) idle.push(await Client.open(plan));
  const underWay = new Set<Promise<void>>();
  const startedMs = performance.now();
  let [sent, givenUp, due] = [0, 0, 0];
  const call = async (client: Client, n: number): Promise<void> => {
    try {
      await client.call(n, tally);
      idle.push(client);
    } catch {
      tally.broken++;
      idle.push(await Client.open(plan));
    }
  };
  for (let nowMs = 0; nowMs < plan.seconds * 1000; nowMs = performance.now() - startedMs) {
    for (const until = Math.floor(nowMs / 1000 * plan.ratePerSecond); due < until; due++) {
      const client = idle.shift(); // in turn: the gateway ends a connection on which nothing comes for 10 s
      if (client === undefined) {
        givenUp++;
        continue;
      }
      const done = call(client, plan.first + sent++).catch(() => {}).finally(() => underWay.delete(done));
      underWay.add(done);
    }
    await delay(TICK_MS);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  await Promise.race([Promise.all(underWay), delay(DRAIN_MS)]);
  return {
    ...{ seconds, sent, givenUp, broken: tally.broken + underWay.size, others: tally.others },
    ...{ allowed: tally.allowedMs.length, overloaded: tally.overloadedMs.length },
    ...{ allowedMs: percentiles(tally.allowedMs), overloadedMs: percentiles(tally.overloadedMs) },
  };
}

/** One kept-alive connection: one call at a time. */
class Client {
  readonly #connection: Deno.Conn;
  readonly #head: string;
  readonly #buffer = new Uint8Array(16_384);

  private constructor(connection: Deno.Conn, head: string) {
    this.#connection = connection;
    this.#head = head;
  }

  static async open(plan: FloodPlan): Promise<Client> {
    const { hostname, port, host, pathname } = new URL(plan.url);
    const connection = await Deno.connect({ hostname, port: Number(port) });
    connection.setNoDelay();
    const headers = {
      ...{ host, "content-type": "application/json", accept: "application/json, text/event-stream" },
      ...plan.headers,
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    return new Client(connection, `POST ${pathname} HTTP/1.1\r\n${lines.join("")}`);
  }

  async call(n: number, tally: Tally): Promise<void> {
    const body =
      `{"jsonrpc":"2.0","id":${n},"method":"tools/call","params":{"name":"count","arguments":{"n":${n}}}}`;
    const startedMs = performance.now();
    await this.#connection.write(
      ENCODER.encode(`${this.#head}content-length: ${body.length}\r\n\r\n${body}`),
    );
    let text = "";
    for (;;) {
      const read = await this.#connection.read(this.#buffer);
      if (read === null) throw new Error("The connection ended");
      text += DECODER.decode(this.#buffer.subarray(0, read));
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) continue;
      const head = text.slice(0, end + 2);
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
      if (text.length < end + 4 + length) continue;
      const ms = performance.now() - startedMs;
      return tally.count(Number(head.slice(9, 12)), head, text.slice(end + 4), ms);
    }
  }
}

function percentiles(values: number[]): Percentiles {
  values.sort((a, b) => a - b);
  const at = (part: number) => Math.round((values[Math.floor(values.length * part)] ?? 0) * 10) / 10;
  return { p50: at(0.5), p99: at(0.99), max: Math.round((values.at(-1) ?? 0) * 10) / 10 };
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

if (import.meta.main) {
  run(JSON.parse(Deno.args[0] ?? "")).then((report) => {
    console.log(JSON.stringify(report));
    Deno.exit(0);
  });
}
