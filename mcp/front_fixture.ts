/** What the tests of this folder share: a real MCP server on a port, an allow-all gateway, a front with a listener. */
import { NOT_AVAILABLE_REASON } from "../core/refusal_codes.ts";
import assert from "node:assert/strict";
import type { ToolCall, ToolDefinition } from "../core/call.ts";
import { createMcpFront, type McpFront, type McpFrontOptions } from "./front.ts";
import type { Admitted, CallGateway, ForwardEnding, Refusal } from "./port.ts";
import type { ResolvedUpstream } from "./upstream_connection.ts";

/** What the test server saw of one request. */
export interface SeenRequest {
  readonly method: string;
  readonly headers: Headers;
  readonly body: string;
}

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly seen: SeenRequest[];
  /** Answers `tools/call` and whatever else it wants; `undefined` leaves the request to the server. */
  behave(
    answer: (message: Message, request: Request) => Response | undefined | Promise<Response | undefined>,
  ): void;
  /** Requests of this kind that the server saw. */
  calls(method: string): readonly SeenRequest[];
}

// deno-lint-ignore no-explicit-any
type Message = any;

export const TOOLS = [
  { name: "read_invoice", inputSchema: { type: "object" }, annotations: { readOnlyHint: true } },
  {
    name: "pay_invoice",
    description: "Pays",
    inputSchema: { type: "object" },
    annotations: { destructiveHint: true },
  },
];

/** Starts a legacy MCP server that issues the session id `up-1`. */
export function startServer(
  options: { readonly hasSessions?: boolean; readonly version?: string } = {},
): TestServer {
  const seen: SeenRequest[] = [];
  let behaviour: Parameters<TestServer["behave"]>[0] = () => undefined;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const body = await request.text();
    seen.push({ method: request.method, headers: request.headers, body });
    const message: Message = body === "" ? {} : JSON.parse(body);
    return await behaviour(message, request) ?? defaultAnswer(message, request, options);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    seen,
    behave: (answer) => void (behaviour = answer),
    calls: (method) => seen.filter((one) => one.body.includes(`"${method}"`)),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function defaultAnswer(
  message: Message,
  request: Request,
  options: { readonly hasSessions?: boolean; readonly version?: string },
): Response {
  if (request.method !== "POST") return new Response(null, { status: 405 });
  if (message.id === undefined) return new Response(null, { status: 202 });
  const result: Record<string, unknown> = {
    initialize: {
      protocolVersion: options.version ?? "2025-11-25",
      capabilities: { tools: { listChanged: true }, prompts: {}, logging: {} },
      serverInfo: { name: "test", version: "1" },
    },
    "tools/list": { tools: TOOLS, _meta: { big: 1 } },
    "tools/call": { content: [{ type: "text", text: "done" }] },
    ping: {},
  };
  const session: Record<string, string> = options.hasSessions === false ? {} : { "mcp-session-id": "up-1" };
  return Response.json({ jsonrpc: "2.0", id: message.id, result: result[message.method] }, {
    headers: message.method === "initialize" ? session : {},
  });
}

/** What a server of the modern era answers; `undefined` to calls. */
export function modernAnswer(
  { id, method }: Message,
  tools: readonly unknown[] = TOOLS,
): Response | undefined {
  switch (method) {
    case "server/discover":
      return Response.json(result(id, {
        ...{ resultType: "complete", supportedVersions: ["2026-07-28"] },
        capabilities: { tools: {}, prompts: {}, completions: {} },
      }));
    case "initialize":
      return Response.json({ jsonrpc: "2.0", id, error: { code: -32601, message: "Unknown" } }, {
        status: 404,
      });
    case "tools/list":
      return Response.json(result(id, { tools, resultType: "complete", ttlMs: 0, cacheScope: "private" }));
    default:
      return undefined;
  }
}

/** A stream of these texts; an Error among them breaks the connection, a number waits for so many milliseconds. */
export function streamOf(...parts: readonly (string | Error | number)[]): Response {
  const queue = [...parts];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      let next = queue.shift();
      while (typeof next === "number") {
        const ms = next;
        await new Promise((done) => timer = setTimeout(done, ms));
        next = queue.shift();
      }
      if (next === undefined) return controller.close();
      if (next instanceof Error) return controller.error(next);
      controller.enqueue(new TextEncoder().encode(next));
    },
    cancel: () => clearTimeout(timer),
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** No answer until the client gives up. */
export function hang(request: Request): Promise<Response> {
  return new Promise((done) => request.signal.addEventListener("abort", () => done(new Response())));
}

/** One `message` event. */
export function event(message: unknown): string {
  return `event: message\ndata: ${JSON.stringify(message)}\n\n`;
}

/** The result message of a call. */
export function result(id: unknown, value: unknown): unknown {
  return { jsonrpc: "2.0", id, result: value };
}

export interface TestGateway extends CallGateway {
  readonly calls: ToolCall[];
  readonly definitions: (ToolDefinition | undefined)[];
  readonly endings: Promise<ForwardEnding>[];
  lists: (tools: readonly ToolDefinition[]) => Promise<readonly boolean[]>;
  /** Whether the caller may use this prompt or resource. */
  names: (name: string) => boolean;
  /** Refuses every call with this. */
  refusal: Partial<Refusal> | undefined;
  /** Whether the tool must be in the catalogue. */
  needsDefinition: boolean;
}

/** Accepts `good` and `other` (two agents) and `narrow`, which no upstream admits; allows everything. */
export function allowAll(): TestGateway {
  const gateway: TestGateway = {
    calls: [],
    definitions: [],
    endings: [],
    lists: (tools) => Promise.resolve(tools.map(() => true)),
    names: () => true,
    refusal: undefined,
    needsDefinition: true,
    admit: (call, credential) => Promise.resolve(admission(gateway, call, credential)),
    async handle(call, credential, route) {
      const admitted = admission(gateway, call, credential);
      if (admitted.kind === "refused") return admitted;
      if (!route.accepts(admitted)) return { kind: "session_not_found" };
      gateway.calls.push(call);
      if (gateway.refusal !== undefined) {
        return { kind: "refused", refusal: refusalOf(call, gateway.refusal) };
      }
      const needsDefinition = gateway.needsDefinition && call.method === "tools/call";
      const definition = needsDefinition ? await route.definition() : undefined;
      gateway.definitions.push(definition);
      if (needsDefinition && definition === undefined) {
        return { kind: "refused", refusal: refusalOf(call, { code: "not_available" }) };
      }
      const forwarded = await route.forward();
      gateway.endings.push(forwarded.ending);
      return { kind: "forwarded", response: forwarded.response };
    },
  };
  return gateway;
}

function admission(gateway: TestGateway, call: ToolCall, credential: string | undefined) {
  if (credential === "narrow") {
    return { kind: "refused" as const, refusal: refusalOf(call, { code: "not_available" }) };
  }
  if (credential !== "good" && credential !== "other") {
    return {
      kind: "refused" as const,
      refusal: refusalOf(call, { code: "invalid_token", unauthenticated: true }),
    };
  }
  const admitted: Admitted = {
    kind: "admitted",
    tenant: "acme",
    agent: credential,
    rootBlockId: `block-${credential}`,
    blockIds: [`block-${credential}`],
    expiresAt: Date.now() / 1000 + 3600,
    lists: (tools) => gateway.lists(tools),
    listsNames: ({ names }) => Promise.resolve(names.map((name) => gateway.names(name))),
  };
  return admitted;
}

function refusalOf(call: ToolCall, given: Partial<Refusal>): Refusal {
  const reason = NOT_AVAILABLE_REASON;
  return {
    check: "capability",
    code: "refused",
    reason,
    decisionId: call.id,
    unauthenticated: false,
    ...given,
  };
}

export function upstreamOf(url: string, changes: Partial<ResolvedUpstream> = {}): ResolvedUpstream {
  return {
    name: "acme",
    url,
    tenants: ["*"],
    headers: { "x-api-key": "secret-of-the-gateway" },
    timeout_ms: 5_000,
    max_concurrent: 64,
    max_response_bytes: 1024 * 1024,
    refusals: "error",
    client_requests: [],
    ...{ tool_changes: "quarantine", new_tools: "quarantine" },
    ...{ argument_validation: "enforce", result_validation: "report" },
    ...changes,
  };
}

/** A front for one upstream `acme`, called without a socket. */
export async function startFront(
  upstream: ResolvedUpstream,
  changes: Partial<McpFrontOptions> & { readonly gateway?: TestGateway } = {},
): Promise<TestClient> {
  const gateway = changes.gateway ?? allowAll();
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, [
    "encrypt",
    "decrypt",
  ]);
  const front = createMcpFront({
    upstreams: new Map([[upstream.name, upstream]]),
    sessionKeys: { active: "k1", keys: new Map([["k1", key]]) },
    allowedHosts: ["gateway.example"],
    isLoopbackListener: true,
    ...{ maxBodyBytes: 64 * 1024, maxDeciding: 64 },
    decisionTimeoutMs: 1_000,
    nowMs: Date.now,
    newId: () => crypto.randomUUID(),
    onFault: (error) => console.error(error),
    ...changes,
    gateway,
  });
  return new TestClient(front, gateway);
}

/** Builds requests as a client does. */
export class TestClient {
  readonly front: McpFront;
  readonly gateway: TestGateway;
  session: string | undefined;
  #nextId = 1;

  constructor(front: McpFront, gateway: TestGateway) {
    this.front = front;
    this.gateway = gateway;
  }

  /** Sends any body with any headers; `undefined` in `headers` removes one. */
  async send(
    body: BodyInit | null,
    how: {
      readonly method?: string;
      readonly headers?: Readonly<Record<string, string | undefined>>;
      readonly upstream?: string;
    } = {},
  ): Promise<Response> {
    const headers = new Headers({
      host: "127.0.0.1:8080",
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      authorization: "Bearer good",
    });
    if (this.session !== undefined) headers.set("mcp-session-id", this.session);
    for (const [name, value] of Object.entries(how.headers ?? {})) {
      if (value === undefined) headers.delete(name);
      else headers.set(name, value);
    }
    const upstream = how.upstream ?? "acme";
    const request = new Request(`http://127.0.0.1:8080/mcp/${upstream}`, {
      method: how.method ?? "POST",
      headers,
      body,
    });
    return await this.front.handle(request, upstream, "192.0.2.7");
  }

  /** Sends a request message. */
  async request(
    method: string,
    params?: unknown,
    how?: Parameters<TestClient["send"]>[1],
  ): Promise<Response> {
    return await this.send(JSON.stringify({ jsonrpc: "2.0", id: this.#nextId++, method, params }), how);
  }

  /** Sends a request of the modern era; `how.headers` change what its headers say, `meta` what `_meta` says. */
  async modern(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
    how: Parameters<TestClient["send"]>[1] & { readonly meta?: Readonly<Record<string, unknown>> } = {},
  ): Promise<Response> {
    const { meta, ...sent } = how;
    const _meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {},
      ...meta,
    };
    const named = params.name ?? params.uri;
    const headers = {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(typeof named === "string" ? { "mcp-name": named } : {}),
      ...sent.headers,
    };
    return await this.request(method, { ...params, _meta }, { ...sent, headers });
  }

  /** Opens a session and keeps its id. */
  async initialize(): Promise<Message> {
    const response = await this.request("initialize", {
      protocolVersion: "2025-11-25",
      capabilities: {
        sampling: {},
        elicitation: {},
        roots: { listChanged: true },
        tasks: {},
        experimental: { x: {} },
      },
      clientInfo: { name: "test", version: "1" },
    });
    const message = await response.json();
    this.session = response.headers.get("mcp-session-id") ?? undefined;
    return message;
  }

  /** Calls a tool, with the status, the message and how it ended. */
  async call(
    name: string,
    args: unknown = {},
  ): Promise<{ response: Response; message: Message; ending: ForwardEnding }> {
    const response = await this.request("tools/call", { name, arguments: args });
    const message = await readMessage(response);
    const ending = await this.gateway.endings.at(-1);
    assert.ok(ending);
    return { response, message, ending };
  }
}

/** The one message of a JSON answer, or the last one of a stream. */
export async function readMessage(response: Response): Promise<Message> {
  const text = await response.text();
  if (response.headers.get("content-type") !== "text/event-stream") return JSON.parse(text);
  const data = text.split("\n").filter((line) => line.startsWith("data: ")).at(-1);
  return data === undefined || data === "data: " ? undefined : JSON.parse(data.slice(6));
}
