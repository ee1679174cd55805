import assert from "node:assert/strict";
import { event, events, json, optionsOf, type Seen, serve } from "./http_fixture.ts";
import { openHttpModernLink } from "./http_modern_link.ts";
import { requestOf, until } from "./link_fixture.ts";

const META = "io.modelcontextprotocol/";
const tools = (name = "Region") => ({
  resultType: "complete",
  tools: [{
    name: "deploy",
    inputSchema: { type: "object", properties: { region: { type: "string", "x-mcp-header": name } } },
  }],
});

function discovered({ message }: Seen, capabilities = {}): Response | undefined {
  if (message.method !== "server/discover") return undefined;
  const _meta = { [`${META}serverInfo`]: { name: "fake", version: "2" } };
  return json({
    id: message.id,
    result: { resultType: "complete", supportedVersions: ["2026-07-28"], capabilities, _meta },
  });
}

Deno.test("openHttpModernLink() sends version, capabilities and headers with every request, and those of arguments", async () => {
  const server = serve((seen) =>
    discovered(seen) ??
      json({
        id: seen.message.id,
        result: seen.message.method === "tools/list" ? tools() : { resultType: "complete" },
      })
  );
  const link = await openHttpModernLink(optionsOf(server.url));
  assert.deepEqual(link.info.serverInfo, { name: "fake", version: "2" });
  const client = { capabilities: { sampling: {} }, traceHeaders: {} };
  await link.request(
    requestOf("tools/call", { params: { name: "deploy", arguments: { region: "Köln" } }, client }),
  );
  await link.request(requestOf("resources/read", { params: { uri: "file:///ä" }, client }));
  const [, list, call, read] = server.seen;
  assert.equal(list?.message.method, "tools/list");
  const headers = (seen: Seen | undefined) =>
    ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-param-region"].map((name) =>
      seen?.headers.get(name)
    );
  assert.deepEqual(headers(call), ["2026-07-28", "tools/call", "deploy", "=?base64?S8O2bG4=?="]);
  assert.deepEqual(headers(read), ["2026-07-28", "resources/read", "=?base64?ZmlsZTovLy/DpA==?=", null]);
  assert.deepEqual(call?.message.params, {
    ...{ name: "deploy", arguments: { region: "Köln" } },
    _meta: {
      [`${META}protocolVersion`]: "2026-07-28",
      [`${META}clientCapabilities`]: { sampling: {} },
      [`${META}clientInfo`]: { name: "intentgate", version: "1" },
    },
  });
  await link.close();
  await server.stop();
});

Deno.test("a modern HTTP link learns the tools anew when the upstream says that a header does not match", async () => {
  let header = "Region";
  const server = serve((seen) => {
    const { id, method } = seen.message;
    if (method === "tools/list") return json({ id, result: tools(header) });
    if (seen.headers.get(`mcp-param-${header.toLowerCase()}`) === "eu") {
      return json({ id, result: { done: true } });
    }
    return discovered(seen) ??
      json({ id, error: { code: -32020, message: "Header mismatch" } }, { status: 400 });
  });
  const link = await openHttpModernLink(optionsOf(server.url));
  const call = () =>
    link.request(requestOf("tools/call", { params: { name: "deploy", arguments: { region: "eu" } } }));
  assert.equal((await call()).kind, "result");
  header = "Zone";
  assert.equal((await call()).kind, "result");
  await link.close();
  await server.stop();
});

Deno.test("a modern HTTP link gives input_required, errors with their status, and results as they are", async () => {
  const wanted = {
    inputRequests: { name: { method: "elicitation/create", params: {} } },
    requestState: "opaque",
  };
  const server = serve((seen) => {
    const { id, method } = seen.message;
    if (method === "prompts/get") return json({ id, result: { resultType: "input_required", ...wanted } });
    if (method === "nope") return json({ id, error: { code: -32601, message: "no" } }, { status: 404 });
    return discovered(seen) ?? events([event({ id, result: { resultType: "complete", n: 1 } })], "open");
  });
  const link = await openHttpModernLink(optionsOf(server.url));
  const asked = await link.request(requestOf("prompts/get"));
  assert.ok(asked.kind === "input_required");
  assert.deepEqual(asked.wanted, wanted);
  assert.deepEqual(await link.request(requestOf("nope")), {
    ...{ kind: "error", error: { code: -32601, message: "no" }, status: 404 },
  });
  const streamed = await link.request(requestOf("tools/list"));
  assert.equal(streamed.kind === "result" && streamed.text, '{"resultType":"complete","n":1}');
  await link.close();
  await server.stop();
});

Deno.test("a modern HTTP link cancels by closing the stream, before and after its answer has begun", async () => {
  const gone: string[] = [];
  const hang = Promise.withResolvers<Response>();
  const server = serve((seen) => {
    const { method } = seen.message;
    if (method === "silent") return hang.promise;
    return discovered(seen) ?? events([": begun"], "open", () => gone.push("begun"));
  });
  const link = await openHttpModernLink(optionsOf(server.url));
  for (const method of ["silent", "begun"]) {
    const agent = new AbortController();
    const call = link.request(requestOf(method, { signal: agent.signal }));
    await until(() => server.seen.some(({ message }) => message.method === method), "the request");
    agent.abort();
    await assert.rejects(call, { code: "cancelled", kind: "unknown" });
    if (method === "begun") await until(() => gone.includes("begun"), "the closed stream");
  }
  hang.resolve(new Response());
  await link.close();
  await server.stop();
});

Deno.test("a modern HTTP link keeps one subscription with what all listeners want", async () => {
  const filters: unknown[] = [];
  const server = serve((seen) => {
    const { id, method, params } = seen.message;
    if (method !== "subscriptions/listen") {
      return discovered(seen, { tools: { listChanged: true } }) ?? json({ id, result: {} });
    }
    filters.push((params as { notifications: unknown }).notifications);
    const _meta = { [`${META}subscriptionId`]: id };
    return events([
      event({ method: "notifications/subscriptions/acknowledged", params: { _meta } } as never),
      event({ method: "notifications/tools/list_changed", params: { _meta } } as never),
    ], "open");
  });
  const link = await openHttpModernLink(optionsOf(server.url));
  const seen: string[] = [];
  const first = await link.listen(
    { toolsListChanged: true, promptsListChanged: true },
    (_m, p) => seen.push(JSON.stringify(p)),
  );
  await until(() => seen.length === 1, "the notice");
  const second = await link.listen({ resourceSubscriptions: ["file:///a"] }, () => seen.push("second"));
  second();
  await until(() => filters.length === 3, "the third subscription");
  first();
  assert.deepEqual(filters.slice(0, 2), [
    { toolsListChanged: true },
    { toolsListChanged: true, resourceSubscriptions: ["file:///a"] },
  ]);
  assert.equal(seen[0], "{}", "the upstream's subscription id goes nowhere");
  await link.close();
  await server.stop();
});
