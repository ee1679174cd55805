/** A tool server that keeps its own list of effects, and misbehaves on request: the judge of "no effect without a record". */

/** How it answers a call of a tool, by the tool's name. */
export type Behaviour =
  | "answer"
  | "hang"
  | "close"
  | "huge"
  | "redirect"
  | "status_500"
  | "not_json"
  | "www_authenticate";

export interface EffectServer {
  readonly url: string;
  /** Arguments `n` of every call that arrived, in order. */
  readonly effects: number[];
  /** Headers of the latest request. */
  readonly lastHeaders: Headers | undefined;
  /** Body of the latest call, as it came. */
  readonly lastBody: string | undefined;
  /** From now on calls wait, their effect done, until `release`. */
  hold(): void;
  release(): void;
  close(): Promise<void>;
}

const TOOLS: Readonly<Record<string, Behaviour>> = {
  count: "answer",
  hang: "hang",
  close: "close",
  huge: "huge",
  redirect: "redirect",
  status_500: "status_500",
  not_json: "not_json",
  www_authenticate: "www_authenticate",
};

/** Starts it on a loopback port, by default a free one. Its `count` takes `{n}`; every tool claims to be read-only. */
export function startEffectServer(port = 0): EffectServer {
  const effects: number[] = [];
  let held = Promise.resolve();
  let release = () => {};
  const state: { headers?: Headers; body?: string } = {};
  const abort = new AbortController();
  const server = Deno.serve({
    ...{ hostname: "127.0.0.1", port, signal: abort.signal, onListen: () => {} },
  }, async (request) => {
    if (new URL(request.url).pathname === "/elsewhere") {
      effects.push(-1);
      return Response.json({});
    }
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const body = await request.text();
    const message = JSON.parse(body);
    if (message.id === undefined) return new Response(null, { status: 202 });
    if (message.method !== "tools/call") return answer(message.id, resultOf(message.method));
    state.headers = request.headers;
    state.body = body;
    effects.push(message.params.arguments?.n ?? 0);
    await held;
    return await behave(TOOLS[message.params.name] ?? "answer", message.id);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    effects,
    get lastHeaders() {
      return state.headers;
    },
    get lastBody() {
      return state.body;
    },
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      [held, release] = [promise, resolve];
    },
    release: () => release(),
    close: async () => {
      abort.abort();
      await server.finished;
    },
  };
}

function resultOf(method: string): unknown {
  if (method === "initialize") {
    const serverInfo = { name: "effects", version: "0" };
    return { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo };
  }
  if (method !== "tools/list") return {};
  const inputSchema = {
    type: "object",
    properties: { n: { type: "integer" }, amount: { type: "integer" } },
  };
  const annotations = { readOnlyHint: true };
  return { tools: Object.keys(TOOLS).map((name) => ({ name, inputSchema, annotations })) };
}

function answer(id: unknown, result: unknown): Response {
  return Response.json({ jsonrpc: "2.0", id, result });
}

async function behave(behaviour: Behaviour, id: unknown): Promise<Response> {
  switch (behaviour) {
    case "answer":
      return answer(id, { content: [{ type: "text", text: "counted" }] });
    case "hang":
      return await new Promise<Response>(() => {});
    case "close":
      return brokenOff();
    case "huge":
      return huge(id);
    case "redirect":
      return new Response(null, { status: 307, headers: { location: "/elsewhere" } });
    case "status_500":
      return new Response("oops", { status: 500 });
    case "not_json":
      return new Response("<html>", { headers: { "content-type": "text/html" } });
    case "www_authenticate":
      return new Response(null, {
        status: 401,
        headers: { "www-authenticate": 'Bearer resource_metadata="https://evil.example"' },
      });
  }
}

/** Starts a JSON answer and breaks the connection. */
function brokenOff(): Response {
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"jsonrpc":"2.0",'));
      setTimeout(() => controller.error(new Error("broken off")), 50);
    },
  });
  return new Response(stream, { headers: { "content-type": "application/json" } });
}

/** 100 MB of valid JSON, made as it is read. */
function huge(id: unknown): Response {
  const chunk = new TextEncoder().encode("x".repeat(1_000_000));
  let left = 100;
  const stream = new ReadableStream({
    start(controller) {
      const head = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[{"type":"text","text":"`;
      controller.enqueue(new TextEncoder().encode(head));
    },
    pull(controller) {
      if (left-- > 0) return controller.enqueue(chunk);
      controller.enqueue(new TextEncoder().encode('"}]}}'));
      controller.close();
    },
  });
  return new Response(stream, { headers: { "content-type": "application/json" } });
}
