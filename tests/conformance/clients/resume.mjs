// A client of the official TypeScript SDK 1.x whose connections are cut in the middle of a call.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const { url, token, cutUrl, call } = JSON.parse(process.argv[2]);
const transport = new StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: { authorization: `Bearer ${token}` } },
});
const client = new Client({ name: "my-agent", version: "1.0.0" });
await client.connect(transport);
const progress = [];
const onprogress = ({ progress: done }) => {
  progress.push(done);
  if (progress.length === 2) fetch(cutUrl);
};
const result = await client.callTool(call, undefined, { onprogress, timeout: 30_000 });
console.log(JSON.stringify({ progress, result }));
await client.close();
