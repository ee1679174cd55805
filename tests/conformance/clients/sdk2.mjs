// The official v2 client. Argument: one JSON object {url, token, allowed, refused, mode}; `mode` is how it finds the
// protocol era: "default", or "auto" (asks for the modern era first and falls back). Prints one JSON line.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const { url, token, allowed, refused, mode } = JSON.parse(process.argv[2]);
const transport = new StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: { authorization: `Bearer ${token}` } },
});
const options = mode === "default" ? {} : { versionNegotiation: { mode } };
const client = new Client({ name: "conformance-sdk2", version: "1.0.0" }, options);
await client.connect(transport);
const { tools } = await client.listTools();
const answer = await client.callTool(allowed);
const refusal = await client.callTool(refused).then(
  (result) => ({ isError: result.isError === true, content: result.content }),
  (error) => ({ code: error.code, message: error.message, data: error.data }),
);
console.log(JSON.stringify({
  client: `sdk2-${mode}`,
  protocol: client.getNegotiatedProtocolVersion(),
  session: transport.sessionId !== undefined,
  tools: tools.map((tool) => tool.name),
  answer: { isError: answer.isError === true, content: answer.content, meta: answer._meta },
  refusal,
}));
await client.close();
