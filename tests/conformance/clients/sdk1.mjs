// The official TypeScript SDK 1.x.
// [connect]
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

async function connect(url, token) {
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  });
  const client = new Client({ name: "my-agent", version: "1.0.0" });
  await client.connect(transport);
  return { client, transport };
}
// [/connect]
import { carryOut } from "./order.mjs";

await carryOut(async (url, token) => {
  const { client, transport } = await connect(url, token);
  return {
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: (call, signal) => client.callTool(call, undefined, { signal }),
    protocol: () => transport.protocolVersion,
    close: () => client.close(),
  };
});
