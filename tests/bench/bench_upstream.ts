/** A program of its own: a tool server that costs as little as possible. Its `count` takes `{n}`. */

if (import.meta.main) {
  Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(`http://127.0.0.1:${port}/mcp`) },
    async (request) => {
      if (request.method !== "POST") return new Response(null, { status: 405 });
      const { id, method } = await request.json();
      if (id === undefined) return new Response(null, { status: 202 });
      return Response.json({ jsonrpc: "2.0", id, result: resultOf(method) });
    },
  );
}

function resultOf(method: string): unknown {
  switch (method) {
    case "initialize": {
      const serverInfo = { name: "bench", version: "0" };
      return { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo };
    }
    case "tools/list": {
      const inputSchema = { type: "object", properties: { n: { type: "integer" } } };
      return { tools: [{ name: "count", inputSchema, annotations: { readOnlyHint: true } }] };
    }
    case "tools/call":
      return { content: [{ type: "text", text: "counted" }] };
    default:
      return {};
  }
}
