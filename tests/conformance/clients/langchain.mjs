// The MCP adapters of LangChain.js.
// [connect]
import { MultiServerMCPClient } from "@langchain/mcp-adapters";

async function connect(url, token) {
  const client = new MultiServerMCPClient({
    mcpServers: { gateway: { transport: "http", url, headers: { authorization: `Bearer ${token}` } } },
  });
  return { client, tools: await client.getTools() };
}
// [/connect]
import { carryOut } from "./order.mjs";

await carryOut(async (url, token) => {
  const { client, tools } = await connect(url, token);
  return {
    list: () => tools.map(({ name }) => name),
    // LangChain has tools only that were listed; what is not listed is called below it, with its own connection.
    call: async ({ name, arguments: given }, signal) => {
      const tool = tools.find((listed) => listed.name === name);
      if (tool === undefined) return (await client.getClient("gateway")).callTool({ name, arguments: given });
      return { content: [await tool.invoke(given, { signal })].flat() };
    },
    close: () => client.close(),
  };
});
