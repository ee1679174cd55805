import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { json, legacyHandshake, optionsOf, serve } from "./http_fixture.ts";
import { requestOf } from "./link_fixture.ts";
import { openHttpLink } from "./open_link.ts";

Deno.test("openHttpLink() falls back to the legacy era however a server says that it does not know the modern one", async () => {
  const refusals: readonly ((id: JsonObject["id"]) => Response)[] = [
    (id) => json({ id, error: { code: -32601, message: "Method not found" } }),
    () => json({ id: null, error: { code: -32000, message: "No session" } }, { status: 400 }),
    () => new Response("Bad request", { status: 400 }),
    () => new Response("", { status: 202 }),
    () => new Response("oops", { status: 500 }),
    (id) =>
      json({ id, result: { resultType: "complete", supportedVersions: ["2099-01-01"], capabilities: {} } }),
  ];
  for (const refuse of refusals) {
    const server = serve((seen) => legacyHandshake(seen, "s") ?? refuse(seen.message.id));
    const link = await openHttpLink(optionsOf(server.url));
    assert.equal(link.info.era, "legacy");
    await link.close();
    await server.stop();
  }
});

Deno.test("openHttpLink() does not try another way when the credential is refused or nobody is there", async () => {
  const server = serve(() => new Response("", { status: 401 }));
  let refused = 0;
  const options = optionsOf(server.url, { onUnauthorized: () => refused++ });
  await assert.rejects(openHttpLink(options), { code: "http_401" });
  assert.deepEqual([server.seen.length, refused], [1, 1]);
  await server.stop();
  const nobody = serve(() => new Response());
  await nobody.stop();
  await assert.rejects(openHttpLink(optionsOf(nobody.url)), { code: "connect_failed" });
});

/** A server of 2024-11-05: answers come on the stream that the GET opened. */
function serveOldSse(endpoint: string, refuse = () => new Response("", { status: 404 })) {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const write = (text: string) => controller?.enqueue(new TextEncoder().encode(`${text}\n\n`));
  return serve(({ method, message }) => {
    if (method === "GET") {
      const body = new ReadableStream<Uint8Array>({
        start(opened) {
          controller = opened;
          write(`event: endpoint\ndata: ${endpoint}`);
        },
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    }
    if (message.method === "server/discover" || controller === undefined) {
      return refuse();
    }
    const result = message.method === "initialize"
      ? { protocolVersion: "2024-11-05", capabilities: {}, serverInfo: { name: "old", version: "0" } }
      : { echoed: message.params };
    if (message.id !== undefined) {
      write(`event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result })}`);
    }
    return new Response("Accepted", { status: 202 });
  });
}

Deno.test("openHttpLink() ends with HTTP+SSE when a server has nothing else", async () => {
  const server = serveOldSse("/messages?session=1");
  const link = await openHttpLink(optionsOf(server.url));
  assert.equal(link.info.protocolVersion, "2024-11-05");
  const answer = await link.request(requestOf("tools/list", { params: { cursor: "c" } }));
  assert.deepEqual(answer.kind === "result" && answer.result, { echoed: { cursor: "c" } });
  await link.close();
  await server.stop();
});

Deno.test("openHttpLink() ends with HTTP+SSE, too, when the server refuses in JSON", async () => {
  const refusal = { id: null, error: { code: -32000, message: "Method not allowed" } };
  const server = serveOldSse("/messages?session=1", () => json(refusal, { status: 405 }));
  const link = await openHttpLink(optionsOf(server.url));
  assert.equal(link.info.protocolVersion, "2024-11-05");
  await link.close();
  await server.stop();
});

Deno.test("openHttpLink() takes silence about the modern era for a server of the legacy one", async () => {
  const silence = Promise.withResolvers<Response>();
  const server = serve((seen) => legacyHandshake(seen, "s") ?? silence.promise);
  const link = await openHttpLink(optionsOf(server.url, { handshakeTimeoutMs: 100 }));
  assert.equal(link.info.era, "legacy");
  silence.resolve(new Response());
  await link.close();
  await server.stop();
});

Deno.test("an SSE link takes no credential to another origin", async () => {
  const server = serveOldSse("http://127.0.0.1:1/messages");
  await assert.rejects(openHttpLink(optionsOf(server.url)), { code: "http_404" });
  assert.ok(server.seen.filter(({ method }) => method === "POST").length <= 2);
  await server.stop();
});
