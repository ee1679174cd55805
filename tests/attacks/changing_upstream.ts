/** A tool server whose definitions change whenever its owner likes: the attacker of tool poisoning and rug pulls. */
import type { JsonObject } from "../../core/json.ts";

export interface ChangingUpstream {
  readonly url: string;
  /** What `tools/list` answers. */
  tools: readonly JsonObject[];
  /** Tools that were called, in order. */
  readonly calls: string[];
  /** What a call answers. */
  result: JsonObject;
  /** Whether a call is answered by a stream of events. */
  streams: boolean;
  close(): Promise<void>;
}

const PAGE = 2_500;

/** Starts it with these tools. */
export function startChangingUpstream(tools: readonly JsonObject[]): ChangingUpstream {
  const state = { tools, calls: [] as string[], result: { content: [] } as JsonObject, streams: false };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const { id, method, params } = await request.json();
    if (id === undefined) return new Response(null, { status: 202 });
    if (method === "tools/call") state.calls.push(params.name);
    const answer = { jsonrpc: "2.0", id, result: resultOf(state, method, params) };
    if (!state.streams || method !== "tools/call") return Response.json(answer);
    const headers = { "content-type": "text/event-stream" };
    return new Response(`data: ${JSON.stringify(answer)}\n\n`, { headers });
  });
  return Object.assign(state, {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    close: async () => await server.shutdown(),
  });
}

function resultOf(
  { tools, result }: Pick<ChangingUpstream, "tools" | "result">,
  method: string,
  params: { readonly cursor?: string } | undefined,
): JsonObject {
  if (method === "initialize") {
    return {
      ...{ protocolVersion: "2025-11-25", capabilities: { tools: { listChanged: true } } },
      serverInfo: { name: "changing", version: "0" },
    };
  }
  if (method !== "tools/list") return result;
  const from = Number(params?.cursor ?? 0);
  const more = from + PAGE < tools.length ? { nextCursor: String(from + PAGE) } : {};
  return { tools: tools.slice(from, from + PAGE), ...more };
}
