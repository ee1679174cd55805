/** A tool server of both eras whose streams stay open until either side ends them. */
import type { JsonObject } from "../../core/json.ts";

export interface StreamUpstream {
  readonly url: string;
  /** Streams that are open now: those of sessions, and those of listeners. */
  open(): { readonly sessions: number; readonly listeners: number };
  /** Sends each open stream a notification. */
  notify(): void;
  close(): Promise<void>;
}

type Controller = ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

const encoder = new TextEncoder();
const eventOf = (message: JsonObject) =>
  encoder.encode(`data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`);
const RESULTS: Readonly<Record<string, JsonObject>> = {
  initialize: {
    ...{ protocolVersion: "2025-11-25", capabilities: { tools: { listChanged: true } } },
    serverInfo: { name: "streams", version: "0" },
  },
  "server/discover": {
    ...{ supportedVersions: ["2026-07-28"], capabilities: { tools: { listChanged: true } } },
    ...{ resultType: "complete", ttlMs: 0, cacheScope: "private" },
  },
  "tools/list": {
    tools: [{ name: "read", inputSchema: { type: "object" }, annotations: { readOnlyHint: true } }],
  },
  "tools/call": { content: [] },
};

/** Starts it on a free port of 127.0.0.1. */
export function startStreamUpstream(): StreamUpstream {
  const sessions = new Set<Controller>();
  const listeners = new Set<Controller>();
  const abort = new AbortController();
  const server = Deno.serve({
    ...{ hostname: "127.0.0.1", port: 0, signal: abort.signal, onListen: () => {} },
    onError: () => new Response(null, { status: 500 }),
  }, async (request) => {
    if (request.method === "GET") return openStream(sessions);
    if (request.method !== "POST") return new Response(null, { status: 200 });
    const { id, method, params }: JsonObject = await request.json();
    if (id === undefined) return new Response(null, { status: 202 });
    if (method === "subscriptions/listen") {
      return openStream(listeners, {
        method: "notifications/subscriptions/acknowledged",
        params: params ?? {},
      });
    }
    const result = RESULTS[String(method)] ?? {};
    const headers = method === "initialize" ? { "mcp-session-id": crypto.randomUUID() } : {};
    return Response.json({ jsonrpc: "2.0", id, result }, { headers });
  });
  const all = () => [...sessions, ...listeners];
  const message = { method: "notifications/message", params: { level: "info", data: "x" } };
  return {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    open: () => ({ sessions: sessions.size, listeners: listeners.size }),
    notify: () => all().forEach((controller) => controller.enqueue(eventOf(message))),
    close: async () => {
      abort.abort();
      await server.finished;
    },
  };
}

function openStream(streams: Set<Controller>, first?: JsonObject): Response {
  let opened: Controller | undefined;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => {
      opened = controller;
      streams.add(controller);
      controller.enqueue(first === undefined ? encoder.encode(": open\n\n") : eventOf(first));
    },
    cancel: () => void (opened !== undefined && streams.delete(opened)),
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}
