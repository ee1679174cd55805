/** Who is told that its tools have changed, and who is not. */
import assert from "node:assert/strict";
import type { ToolDefinition } from "../core/call.ts";
import { allowAll, startFront, startServer, type TestClient, TOOLS, upstreamOf } from "./front_fixture.ts";
import type { Admitted } from "./port.ts";

const NEW = { name: "drop_ledger", inputSchema: { type: "object" } };
const NOTICE = /"notifications\/tools\/list_changed"/;
const NAMES_NOTICE = /"notifications\/(prompts|resources)\/list_changed"/;

/** `good` may list everything, `other` only what reads. */
function gatewayOfTwo() {
  const gateway = allowAll();
  const all = gateway.admit;
  gateway.admit = async (call, credential) => {
    const admitted = await all(call, credential);
    const lists = (tools: readonly ToolDefinition[]) =>
      Promise.resolve(tools.map(({ name }) => credential === "good" || name.startsWith("read_")));
    return admitted.kind === "refused" ? admitted : { ...admitted, lists } satisfies Admitted;
  };
  return gateway;
}

async function setUp() {
  const server = startServer();
  const world = { tools: [...TOOLS] as unknown[], aheadMs: 0 };
  server.behave((message, request) => {
    if (request.method === "GET" || message.method === "subscriptions/listen") {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new TextEncoder().encode(": open\n\n")),
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    }
    if (message.method === "server/discover") {
      const result = {
        resultType: "complete",
        supportedVersions: ["2026-07-28"],
        capabilities: { tools: {} },
      };
      return Response.json({ jsonrpc: "2.0", id: message.id, result });
    }
    if (message.method !== "tools/list") return undefined;
    return Response.json({ jsonrpc: "2.0", id: message.id, result: { tools: world.tools } });
  });
  const client = await startFront(upstreamOf(server.url), {
    gateway: gatewayOfTwo(),
    steadyMs: () => performance.now() + world.aheadMs,
  });
  await client.initialize();
  await client.front.catalogue.tools("acme");
  /** The upstream has other tools, and somebody makes the gateway look. */
  const change = async (tools: readonly unknown[]) => {
    world.tools = [...tools];
    world.aheadMs += 31_000;
    await client.front.catalogue.tools("acme");
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  return { server, client, change };
}

/** The notices that a stream has brought so far. */
function noticesOf(response: Response): (what?: RegExp) => number {
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const seen = { text: "" };
  void response.body!.pipeThrough(new TextDecoderStream())
    .pipeTo(new WritableStream({ write: (chunk) => void (seen.text += chunk) })).catch(() => {});
  return (what = NOTICE) => seen.text.split("\n\n").filter((event) => what.test(event)).length;
}

async function openStreams(client: TestClient) {
  const as = (credential: string) => ({ authorization: `Bearer ${credential}` });
  const listen = (credential: string, toolsListChanged: boolean) =>
    client.modern("subscriptions/listen", { notifications: { toolsListChanged } }, {
      headers: as(credential),
    });
  return {
    legacy: noticesOf(await client.send(null, { method: "GET" })),
    modern: noticesOf(await listen("good", true)),
    narrow: noticesOf(await listen("other", true)),
    uninterested: noticesOf(await listen("good", false)),
  };
}

Deno.test("a change of the upstream is announced to those whose own list it changes", async () => {
  const { server, client, change } = await setUp();
  await using _server = server;
  const streams = await openStreams(client);
  const counts = () => Object.values(streams).map((notices) => notices());
  await change([...TOOLS, NEW]);
  assert.deepEqual(counts(), [1, 1, 0, 0], "a tool that the narrow token does not list");
  await change([...TOOLS, { ...NEW, description: "Drops it" }]);
  assert.deepEqual(counts(), [2, 2, 0, 0], "a hidden tool has another description");
  await change([...TOOLS, { ...NEW, description: "Drops it" }]);
  assert.deepEqual(counts(), [2, 2, 0, 0], "nothing has changed");
  await change([TOOLS[1]]);
  assert.deepEqual(counts(), [3, 3, 1, 0], "what everybody lists is gone");
  client.front.closeStreams();
});

Deno.test("announceLists() tells everybody who listens, once, of what they listen to", async () => {
  const { server, client } = await setUp();
  await using _server = server;
  const streams = await openStreams(client);
  const notifications = { promptsListChanged: true, resourcesListChanged: true };
  const named = noticesOf(await client.modern("subscriptions/listen", { notifications }));
  client.front.announceLists();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(Object.values(streams).map((notices) => notices()), [1, 1, 1, 0]);
  assert.deepEqual([named(), named(NAMES_NOTICE)], [0, 2]);
  client.front.closeStreams();
});
