/**
 * A program of its own: calls one tool at a constant rate over plain TCP, whatever becomes of them, and prints a report. It
 * speaks just enough HTTP/1.1 to cost a small part of what it measures. What is due is released every two milliseconds or
 * so, the finest that a timer gives, and a call's latency counts from then, whether or not a connection is free: a server
 * that makes the load wait cannot hide it. When the generator itself was late, latency counts from when the call was due.
 */

/** What to offer. */
export interface LoadPlan {
  readonly hostname: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly connections: number;
  /** Number of the first call; the tool gets it as its argument `n`. */
  readonly first: number;
}

/** What became of it. Latencies in milliseconds. */
export interface OpenLoadReport {
  readonly offered: number;
  /** Answers with a result, that is of calls that were allowed and forwarded. */
  readonly ok: number;
  /** Answers with an error or another status. */
  readonly refused: number;
  /** Calls whose connection ended before an answer, or that were still unanswered some seconds after the end. */
  readonly unanswered: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const DRAIN_MS = 5_000;
const TICK_MS = 1;
/** A release later than this is the generator's own delay, and is not taken off the latency. */
const LATE_MS = 5;

interface Due {
  readonly n: number;
  readonly atMs: number;
}

/** Runs one plan. */
export async function runLoad(plan: LoadPlan): Promise<OpenLoadReport> {
  const tally = { ok: 0, refused: 0, broken: 0 };
  const latencies: number[] = [];
  const queue: Due[] = [];
  const idle: Connection[] = [];
  const answered = (due: Due, outcome: keyof typeof tally) => {
    tally[outcome]++;
    if (outcome !== "broken") latencies.push(performance.now() - due.atMs);
  };
  const pump = () => {
    while (queue.length > 0 && idle.length > 0) void idle.pop()!.call(queue.shift()!);
  };
  for (let index = 0; index < plan.connections; index++) {
    const connection = await Connection.open(plan, answered, () => {
      idle.push(connection);
      pump();
    });
    idle.push(connection);
  }
  const offered = Math.round(plan.ratePerSecond * plan.seconds);
  const startMs = performance.now();
  for (let sent = 0; sent < offered;) {
    const nowMs = performance.now();
    const due = Math.min(offered, Math.floor((nowMs - startMs) / 1000 * plan.ratePerSecond));
    for (; sent < due; sent++) {
      const dueMs = startMs + sent / plan.ratePerSecond * 1000;
      queue.push({ n: plan.first + sent, atMs: nowMs - dueMs > LATE_MS ? dueMs : nowMs });
    }
    pump();
    await delay(TICK_MS);
  }
  const until = performance.now() + DRAIN_MS;
  while (tally.ok + tally.refused + tally.broken < offered && performance.now() < until) await delay(10);
  return report(offered, tally, latencies);
}

function report(
  offered: number,
  { ok, refused }: { readonly ok: number; readonly refused: number },
  latencies: readonly number[],
): OpenLoadReport {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return {
    ...{ offered, ok, refused, unanswered: offered - ok - refused },
    ...{ p50Ms: at(0.5), p99Ms: at(0.99), maxMs: sorted.at(-1) ?? NaN },
  };
}

/** One keep-alive connection that carries one call at a time. */
class Connection {
  readonly #plan: LoadPlan;
  readonly #head: string;
  readonly #onAnswer: (due: Due, outcome: "ok" | "refused" | "broken") => void;
  readonly #onIdle: () => void;
  readonly #buffer = new Uint8Array(64 * 1024);
  #tcp: Deno.TcpConn;

  private constructor(
    plan: LoadPlan,
    tcp: Deno.TcpConn,
    onAnswer: (due: Due, outcome: "ok" | "refused" | "broken") => void,
    onIdle: () => void,
  ) {
    this.#plan = plan;
    this.#tcp = tcp;
    this.#onAnswer = onAnswer;
    this.#onIdle = onIdle;
    const headers = Object.entries(plan.headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    this.#head =
      `POST ${plan.path} HTTP/1.1\r\nhost: ${plan.hostname}:${plan.port}\r\n${headers}content-length: `;
  }

  static async open(
    plan: LoadPlan,
    onAnswer: (due: Due, outcome: "ok" | "refused" | "broken") => void,
    onIdle: () => void,
  ): Promise<Connection> {
    return new Connection(plan, await connect(plan), onAnswer, onIdle);
  }

  async call(due: Due): Promise<void> {
    try {
      const body =
        `{"jsonrpc":"2.0","id":${due.n},"method":"tools/call","params":{"name":"count","arguments":{"n":${due.n}}}}`;
      await writeAll(this.#tcp, new TextEncoder().encode(`${this.#head}${body.length}\r\n\r\n${body}`));
      const answer = await this.#read();
      const isOk = answer.startsWith("HTTP/1.1 200") && answer.includes(`"id":${due.n},"result":`);
      this.#onAnswer(due, isOk ? "ok" : "refused");
    } catch {
      this.#onAnswer(due, "broken");
      this.#tcp.close();
      this.#tcp = await connect(this.#plan);
    }
    this.#onIdle();
  }

  async #read(): Promise<string> {
    let text = "";
    const decoder = new TextDecoder();
    for (;;) {
      const length = await this.#tcp.read(this.#buffer);
      if (length === null) throw new Error("The connection ended");
      text += decoder.decode(this.#buffer.subarray(0, length), { stream: true });
      const bodyAt = text.indexOf("\r\n\r\n") + 4;
      if (bodyAt < 4) continue;
      const declared = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
      if (declared === undefined) throw new Error("Expected a content-length");
      if (text.length >= bodyAt + Number(declared)) return text;
    }
  }
}

async function connect({ hostname, port }: LoadPlan): Promise<Deno.TcpConn> {
  const tcp = await Deno.connect({ hostname, port });
  tcp.setNoDelay(true);
  return tcp;
}

async function writeAll(tcp: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await tcp.write(bytes.subarray(at));
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

if (import.meta.main) {
  runLoad(JSON.parse(Deno.args[0] ?? "")).then(
    (found) => console.log(JSON.stringify(found)),
    (error) => {
      console.error(error);
      Deno.exit(1);
    },
  );
}
