/** An HTTP server whose every answer a test writes, and the options of a link to it. */
import type { JsonObject } from "../../core/json.ts";
import type { HttpLinkOptions } from "./http_exchanges.ts";

/** One request as the server saw it. */
export interface Seen {
  readonly method: string;
  readonly headers: Headers;
  readonly message: JsonObject;
}

/** A server for one test. */
export function serve(answer: (seen: Seen) => Response | Promise<Response>) {
  const seen: Seen[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const text = await request.text();
    const one = {
      ...{ method: request.method, headers: request.headers },
      message: text === "" ? {} : JSON.parse(text) as JsonObject,
    };
    seen.push(one);
    return await answer(one);
  });
  const url = `http://127.0.0.1:${server.addr.port}/mcp`;
  return { url, seen, stop: () => server.shutdown() };
}

/** Options of a link to such a server. */
export function optionsOf(url: string, changes: Partial<HttpLinkOptions> = {}): HttpLinkOptions {
  return {
    ...{ upstream: "fake", url, maxMessageBytes: 100_000, handshakeTimeoutMs: 3_000 },
    clock: { nowMs: () => Date.now() },
    ...changes,
  };
}

/** A JSON answer. */
export function json(message: JsonObject, init: ResponseInit = {}): Response {
  return Response.json({ jsonrpc: "2.0", ...message }, init);
}

/** An answer of events; `end` is what the stream does after the last: nothing, or closing. */
export function events(
  texts: readonly string[],
  end: "open" | "close" = "close",
  onGone: () => void = () => {},
): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const text of texts) controller.enqueue(new TextEncoder().encode(`${text}\n\n`));
      if (end === "close") controller.close();
    },
    cancel: onGone,
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** One event with a message. */
export function event(message: JsonObject, id?: string): string {
  const data = `data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}`;
  return id === undefined ? data : `id: ${id}\n${data}`;
}

/** Answers the handshake of the legacy era; `undefined` for every other request. */
export function legacyHandshake({ method, message }: Seen, sessionId?: string): Response | undefined {
  if (method === "POST" && message.method === "initialize") {
    const result = {
      ...{ protocolVersion: "2025-11-25", capabilities: { tools: {} } },
      serverInfo: { name: "fake", version: "1" },
    };
    const headers: HeadersInit = sessionId === undefined ? {} : { "mcp-session-id": sessionId };
    return json({ id: message.id, result }, { headers });
  }
  if (message.method === "notifications/initialized") return new Response(null, { status: 202 });
  if (method === "DELETE") return new Response(null, { status: 200 });
  return undefined;
}
