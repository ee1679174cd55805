/**
 * A tool server that believes everything: the victim of the attacks. It ignores case, takes the last of duplicate
 * members, runs batches and notifications, ends names at U+0000, and keeps numbers as they were written. Its own list
 * of effects is the judge.
 */
import type { JsonValue } from "../../core/json.ts";

/** One thing that was done: tool, and `n` as it was written. */
export interface Effect {
  readonly tool: string;
  readonly n: string;
}

/** Answers a call of one tool; `id` as the client wrote it. */
export type Answering = (id: JsonValue | undefined, request: Request) => Response | Promise<Response>;

export interface CarelessUpstream {
  readonly url: string;
  readonly effects: Effect[];
  /** Headers of every request that arrived, in order. */
  readonly requests: Headers[];
  /** How long the next answers to `tools/list` take. */
  listDelayMs: number;
  close(): Promise<void>;
}

/** Starts it. Every tool claims to be read-only; one without an `Answering` simply counts. */
export function startCarelessUpstream(
  tools: Readonly<Record<string, Answering | undefined>>,
): CarelessUpstream {
  const abort = new AbortController();
  const upstream = { effects: [] as Effect[], requests: [] as Headers[], listDelayMs: 0 };
  const server = Deno.serve({
    ...{ hostname: "127.0.0.1", port: 0, signal: abort.signal, onListen: () => {} },
    onError: () => new Response(null, { status: 400 }), // a client that broke off is not worth a line
  }, async (request) => {
    upstream.requests.push(request.headers);
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const text = await request.text();
    const parsed: JsonValue = JSON.parse(text.replace(/^\ufeff/, ""));
    const messages = Array.isArray(parsed) ? parsed : [parsed];
    const answers: Response[] = [];
    for (const message of messages) {
      const answer = await answerMessage(upstream, tools, { message, text, request });
      if (answer !== undefined) answers.push(answer);
    }
    return answers[0] ?? new Response(null, { status: 202 });
  });
  return Object.assign(upstream, {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    close: async () => {
      abort.abort();
      await server.finished;
    },
  });
}

interface Arrived {
  readonly message: JsonValue | undefined;
  readonly text: string;
  readonly request: Request;
}

async function answerMessage(
  upstream: Pick<CarelessUpstream, "effects" | "listDelayMs">,
  tools: Readonly<Record<string, Answering | undefined>>,
  { message, text, request }: Arrived,
): Promise<Response | undefined> {
  const method = pick(message, "method");
  const id = pick(message, "id");
  if (method === "tools/call") {
    const name = String(pick(pick(message, "params"), "name")).split("\0")[0] ?? "";
    // As it was written: a reader with big decimals sees what a double cannot hold.
    const n = [...text.matchAll(/"n"\s*:\s*([^,}\s]+)/gi)].at(-1)?.[1] ?? "";
    upstream.effects.push({ tool: name, n });
    return await tools[name]?.(id, request) ?? resultOf(id, { content: [{ type: "text", text: "done" }] });
  }
  if (id === undefined) return undefined;
  if (method === "initialize") {
    const serverInfo = { name: "careless", version: "0" };
    const result = { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo };
    return resultOf(id, result, { "mcp-session-id": crypto.randomUUID() });
  }
  if (method !== "tools/list") return resultOf(id, {});
  await new Promise((resolve) => setTimeout(resolve, upstream.listDelayMs));
  return resultOf(id, { tools: Object.keys(tools).map(definitionOf) });
}

function definitionOf(name: string) {
  const inputSchema = { type: "object", properties: { n: { type: "number" } } };
  return { name, inputSchema, annotations: { readOnlyHint: true } };
}

/** The last member of that name, whatever its case. */
function pick(value: JsonValue | undefined, name: string): JsonValue | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.entries(value).filter(([key]) => key.toLowerCase() === name).at(-1)?.[1];
}

/** A JSON-RPC result. */
export function resultOf(
  id: JsonValue | undefined,
  result: unknown,
  headers: Record<string, string> = {},
): Response {
  return Response.json({ jsonrpc: "2.0", id, result }, { headers });
}

/** A stream of server-sent events with exactly this text. */
export function eventStream(text: string): Response {
  return new Response(new TextEncoder().encode(text), { headers: { "content-type": "text/event-stream" } });
}
