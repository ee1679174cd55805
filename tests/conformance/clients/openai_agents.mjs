// The OpenAI Agents SDK for JavaScript.
// [connect]
import { MCPServerStreamableHttp } from "@openai/agents";

async function connect(url, token) {
  const server = new MCPServerStreamableHttp({
    name: "gateway",
    url,
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  });
  await server.connect();
  return server;
}
// [/connect]
import { carryOut } from "./order.mjs";

await carryOut(async (url, token) => {
  const server = await connect(url, token);
  return {
    list: async () => (await server.listTools()).map(({ name }) => name),
    call: async ({ name, arguments: given }, signal) => ({
      content: await server.callTool(name, given, undefined, { signal }),
    }),
    close: () => server.close(),
  };
});
