// The MCP client of the AI SDK. `mode` "legacy" keeps it from asking for the modern era first.
// [connect]
import { createMCPClient } from "@ai-sdk/mcp";

async function connect(url, token, mode = "auto") {
  const headers = { authorization: `Bearer ${token}` };
  const client = await createMCPClient({
    transport: { type: "http", url, headers },
    protocolVersionDiscovery: mode === "auto",
  });
  return { client, tools: await client.tools() };
}
// [/connect]
import { carryOut } from "./order.mjs";

await carryOut(async (url, token, mode) => {
  const { client, tools } = await connect(url, token, mode);
  return {
    list: () => Object.keys(tools),
    // As a model calls it, where the tool is listed.
    call: ({ name, arguments: given }, signal) =>
      tools[name]?.execute(given, { toolCallId: "1", messages: [], abortSignal: signal }) ??
        client.callTool({ name, arguments: given, options: { signal } }),
    close: () => client.close(),
  };
});
