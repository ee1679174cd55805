/**
 * A tool server of the modern era behind a router that believes headers: it compares nothing, and what it did stands in
 * its own list, as the headers say it and as the body says it.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";

/** One request that was acted on. */
export interface Routed {
  readonly headers: Headers;
  readonly body: JsonObject;
}

export interface RoutedUpstream {
  readonly url: string;
  /** Everything but the gateway's own questions, in order. */
  readonly acted: Routed[];
  close(): Promise<void>;
}

/** Arguments that a router may read in headers, one of each kind. */
const INPUT_SCHEMA = {
  type: "object",
  properties: {
    region: { type: "string", "x-mcp-header": "Region" },
    count: { type: "integer", "x-mcp-header": "Count" },
    dry: { type: "boolean", "x-mcp-header": "Dry" },
    deep: { type: "object", properties: { place: { type: "string", "x-mcp-header": "Place" } } },
    free: { type: "string" },
  },
};
const COMMON = { resultType: "complete", ttlMs: 0, cacheScope: "private" };
/** What the gateway asks for itself. */
const OWN_QUESTIONS: readonly (JsonValue | undefined)[] = ["server/discover", "tools/list", "initialize"];

/** Starts it with these tools, all read-only as they say. */
export function startRoutedUpstream(names: readonly string[]): RoutedUpstream {
  const acted: Routed[] = [];
  const tools = names.map((name) => ({
    ...{ name, inputSchema: INPUT_SCHEMA, annotations: { readOnlyHint: true } },
  }));
  const abort = new AbortController();
  const server = Deno.serve({
    ...{ hostname: "127.0.0.1", port: 0, signal: abort.signal, onListen: () => {} },
    onError: () => new Response(null, { status: 500 }),
  }, async (request) => {
    const body: JsonObject = await request.json();
    const isOurs = request.headers.get("user-agent") === "intentgate" && OWN_QUESTIONS.includes(body.method);
    if (!isOurs) acted.push({ headers: request.headers, body });
    const result = body.method === "tools/list" ? { tools } : RESULTS[String(body.method)];
    return result === undefined
      ? Response.json({ jsonrpc: "2.0", id: body.id, error: { code: -32601, message: "Not here" } }, {
        status: 404,
      })
      : Response.json({ jsonrpc: "2.0", id: body.id, result: { ...result, ...COMMON } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    acted,
    close: async () => {
      abort.abort();
      await server.finished;
    },
  };
}

/** By method, without what all results have in common. */
const RESULTS: Readonly<Record<string, JsonObject>> = {
  "server/discover": {
    supportedVersions: ["2026-07-28"],
    capabilities: { tools: {}, prompts: {}, resources: {} },
  },
  "subscriptions/listen": {},
  "tools/call": { content: [] },
  "prompts/get": { messages: [] },
  "resources/read": { contents: [] },
  "completion/complete": { completion: { values: [] } },
  "prompts/list": { prompts: [] },
  "resources/list": { resources: [] },
  "resources/templates/list": { resourceTemplates: [] },
};

/** What a header repeats, as the body of a request says it. */
export function saidByBody({ body }: Routed, header: string): JsonValue | undefined {
  const params = isJsonObject(body.params) ? body.params : {};
  const args = isJsonObject(params.arguments) ? params.arguments : {};
  const meta = isJsonObject(params._meta) ? params._meta : {};
  switch (header) {
    case "mcp-protocol-version":
      return meta["io.modelcontextprotocol/protocolVersion"];
    case "mcp-method":
      return body.method;
    case "mcp-name":
      return params.name ?? params.uri;
    case "mcp-param-place":
      return isJsonObject(args.deep) ? args.deep.place : undefined;
    default:
      return args[header.slice("mcp-param-".length)];
  }
}
