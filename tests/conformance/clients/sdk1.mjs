// The official 1.x client. Argument: one JSON object {url, token, allowed, refused}. Prints one JSON line.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const { url, token, allowed, refused } = JSON.parse(process.argv[2]);
const transport = new StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: { authorization: `Bearer ${token}` } },
});
const client = new Client({ name: "conformance-sdk1", version: "1.0.0" });
await client.connect(transport);
const { tools } = await client.listTools();
const answer = await client.callTool(allowed);
const refusal = await client.callTool(refused).then(
  (result) => ({ isError: result.isError === true, content: result.content }),
  (error) => ({ code: error.code, message: error.message, data: error.data }),
);
console.log(JSON.stringify({
  client: "sdk1",
  protocol: transport.protocolVersion,
  session: transport.sessionId !== undefined,
  tools: tools.map((tool) => tool.name),
  answer: { isError: answer.isError === true, content: answer.content, meta: answer._meta },
  refusal,
}));
await client.close();
