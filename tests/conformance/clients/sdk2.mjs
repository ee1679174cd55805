// The official TypeScript client 2.x. `mode` is how it finds the protocol era: "legacy" (its default), or "auto", which asks
// for the modern era first and falls back.
// [connect]
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

async function connect(url, token, mode = "auto") {
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  });
  const client = new Client({ name: "my-agent", version: "1.0.0" }, { versionNegotiation: { mode } });
  await client.connect(transport);
  return client;
}
// [/connect]
import { carryOut } from "./order.mjs";

await carryOut(async (url, token, mode) => {
  const client = await connect(url, token, mode);
  return {
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: (call, signal) => client.callTool(call, { signal }),
    protocol: () => client.getNegotiatedProtocolVersion(),
    close: () => client.close(),
  };
});
