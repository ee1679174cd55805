// The official TypeScript client 2.x in the scenarios of the conformance suite's client mode. The suite starts a server and
// this program, with the server's URL as its argument. The gateway knows the server as a port of this program that leads to
// it, and the client knows the gateway only.
import net from "node:net";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const { SCENARIO_GATEWAY, SCENARIO_PORT, SCENARIO_LOGIN_PORT, SCENARIO_TOKEN } = process.env;
const { MCP_CONFORMANCE_CONTEXT, MCP_CONFORMANCE_PROTOCOL_VERSION, MCP_CONFORMANCE_SCENARIO } = process.env;
const server = new URL(process.argv.at(-1));
const isModern = MCP_CONFORMANCE_PROTOCOL_VERSION >= "2026";

/** What a client does in a scenario besides listing the tools. */
const SCENARIOS = {
  initialize: () => {},
  tools_call: (client) => client.callTool({ name: "add_numbers", arguments: { a: 2, b: 3 } }),
  "sse-retry": (client) => client.callTool({ name: "test_reconnection", arguments: {} }),
  "request-metadata": () => {},
  "auth/client-credentials-basic": (client) => client.callTool({ name: "test-tool", arguments: {} }),
  "elicitation-sep1034-client-defaults": (client) =>
    client.callTool({ name: "test_client_elicitation_defaults", arguments: {} }),
  "json-schema-ref-no-deref": () => {},
  "json-schema-2020-12-preservation": (client, tools) => {
    const { inputSchema } = tools.find(({ name }) => name === "json_schema_2020_12_tool");
    return client.callTool({ name: "json_schema_echo", arguments: { schema: inputSchema } });
  },
  "http-standard-headers": callEverything,
  "http-custom-headers": async (client) => {
    for (const call of JSON.parse(MCP_CONFORMANCE_CONTEXT).toolCalls) await client.callTool(call);
  },
  "http-invalid-tool-headers": async (client, tools) => {
    for (const { name } of tools) await client.callTool({ name, arguments: { region: "eu" } });
  },
  "sep-2322-client-request-state": async (client, tools) => {
    for (const { name } of tools) await client.callTool({ name, arguments: {} });
  },
};

async function callEverything(client, tools) {
  for (const { name } of tools) await client.callTool({ name, arguments: {} });
  for (const { uri } of (await client.listResources()).resources) await client.readResource({ uri });
  for (const { name } of (await client.listPrompts()).prompts) await client.getPrompt({ name });
}

/** What a person would accept unread: the defaults, and yes. */
function accept({ params }) {
  const properties = Object.entries(params.requestedSchema.properties);
  const content = properties.map(([name, schema]) => [name, schema.default ?? schema.type === "boolean"]);
  return { action: "accept", content: Object.fromEntries(content) };
}

/** Passes on what arrives at a port of this program. */
function relay(port, target) {
  const server = net.createServer((socket) => {
    const upstream = net.connect(Number(target.port), target.hostname);
    for (const end of [socket, upstream]) {
      end.on("error", () => [socket, upstream].forEach((each) => each.destroy()));
    }
    socket.pipe(upstream).pipe(socket);
  });
  return new Promise((resolve) => server.listen(Number(port), "127.0.0.1", resolve));
}

/** The suite says only in the server's metadata where its authorization server is. */
async function authorizationServer() {
  const response = await fetch(new URL("/.well-known/oauth-protected-resource/mcp", server));
  return new URL((await response.json()).authorization_servers[0]);
}

async function main() {
  await relay(SCENARIO_PORT, server);
  if (MCP_CONFORMANCE_SCENARIO.startsWith("auth/")) {
    await relay(SCENARIO_LOGIN_PORT, await authorizationServer());
  }
  const client = new Client({ name: "scenario", version: "1.0.0" }, {
    capabilities: { elicitation: {}, sampling: {}, roots: {} },
    versionNegotiation: { mode: isModern ? { pin: MCP_CONFORMANCE_PROTOCOL_VERSION } : "legacy" },
  });
  client.setRequestHandler("elicitation/create", accept);
  await client.connect(
    new StreamableHTTPClientTransport(new URL(SCENARIO_GATEWAY), {
      requestInit: { headers: { authorization: `Bearer ${SCENARIO_TOKEN}` } },
    }),
  );
  await SCENARIOS[MCP_CONFORMANCE_SCENARIO](client, (await client.listTools()).tools);
  await client.close();
}

await main();
process.exit(0); // the gateway keeps its connections through the relays
