import assert from "node:assert/strict";
import {
  modernAnswer,
  readMessage,
  result,
  startFront,
  startServer,
  streamOf,
  type TestClient,
  type TestServer,
  upstreamOf,
} from "../front_fixture.ts";

/** What a legacy server says to a request without its session. */
const NO_SESSION = {
  ...{ jsonrpc: "2.0", id: null },
  error: { code: -32000, message: "Bad Request: No valid session ID provided" },
};

/** A server that speaks one era, and can change it. */
function startChangingServer(): TestServer & { isModern: boolean } {
  const server = Object.assign(startServer(), { isModern: true });
  server.behave((message, request) => {
    const isCall = message.method === "tools/call";
    if (server.isModern) {
      const version = request.headers.get("mcp-protocol-version");
      if (version !== "2026-07-28" && message.method !== "initialize") {
        const error = { code: -32020, message: "Header mismatch" };
        return Response.json({ jsonrpc: "2.0", id: message.id, error }, { status: 400 });
      }
      return isCall ? Response.json(result(message.id, { content: [] })) : modernAnswer(message);
    }
    const hasSession = request.headers.has("mcp-session-id") || message.method === "initialize";
    return hasSession ? undefined : Response.json(NO_SESSION, { status: 400 });
  });
  return server;
}

async function callModern(client: TestClient) {
  return await readMessage(await client.modern("tools/call", { name: "pay_invoice", arguments: {} }));
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 50));

Deno.test("calls alone make an upstream be asked again what it speaks, at most every 30 seconds", async () => {
  await using server = startChangingServer();
  let nowMs = 0;
  const client = await startFront(upstreamOf(server.url), { steadyMs: () => nowMs });
  const asked = async () => {
    for (let n = 0; n < 3; n++) assert.ok((await callModern(client)).result);
    await soon();
    return server.calls("server/discover").length;
  };
  assert.equal(await asked(), 1);
  nowMs = 30_001;
  assert.equal(await asked(), 2);
  nowMs = 60_000;
  assert.equal(await asked(), 2);
});

Deno.test("an upstream that went back to the legacy era serves modern clients again, over its links", async () => {
  await using server = startChangingServer();
  let nowMs = 0;
  // The links speak the modern era for it.
  const bridged = upstreamOf("http://127.0.0.1:9", {
    serve: async ({ body }) => {
      const message = JSON.parse(new TextDecoder().decode(body));
      const own = modernAnswer(message) ?? Response.json(result(message.id, { content: ["over links"] }));
      return await Promise.resolve(own);
    },
  });
  const client = await startFront(upstreamOf(server.url, { bridged }), { steadyMs: () => nowMs });
  assert.deepEqual((await callModern(client)).result.content, []);
  server.isModern = false;
  nowMs = 5_001; // long before what was known is old
  assert.equal((await callModern(client)).error?.code, -32000);
  await soon();
  assert.deepEqual((await callModern(client)).result.content, ["over links"]);
  // And back: what was found once over links does not stay so.
  server.isModern = true;
  nowMs += 30_001;
  assert.deepEqual((await callModern(client)).result.content, ["over links"]);
  await soon();
  assert.deepEqual((await callModern(client)).result.content, []);
});

Deno.test("a stranger's calls do not make an upstream be asked", async () => {
  await using server = startChangingServer();
  let nowMs = 0;
  const client = await startFront(upstreamOf(server.url), { steadyMs: () => nowMs });
  await callModern(client);
  nowMs = 3_600_000;
  const call = { name: "pay_invoice", arguments: {} };
  const refused = await client.modern("tools/call", call, { headers: { authorization: undefined } });
  assert.equal(refused.status, 401);
  await soon();
  assert.equal(server.calls("server/discover").length, 1);
});

Deno.test("an upstream that nobody reaches is asked again after 30 seconds, not with every call", async () => {
  const server = startChangingServer();
  let nowMs = 0;
  let failed = 0;
  const client = await startFront(upstreamOf(server.url), {
    ...{ steadyMs: () => nowMs, onNoAnswer: () => void failed++ },
  });
  await callModern(client);
  await server[Symbol.asyncDispose]();
  nowMs = 31_000; // the catalogue is old, too
  for (let n = 0; n < 3; n++) {
    await (await client.modern("tools/list")).text();
    await soon();
  }
  assert.equal(failed, 3 + 1, "three lists, and the question once");
});

Deno.test("a session of an upstream that speaks the modern era only now is not found, so that the client begins anew", async () => {
  await using server = startChangingServer();
  server.isModern = false;
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  assert.equal((await client.call("pay_invoice")).response.status, 200);
  server.isModern = true;
  for (const method of ["ping", "tools/call"]) {
    const response = await client.request(method, { name: "pay_invoice", arguments: {} });
    assert.equal(response.status, 404, method);
    assert.equal((await response.json()).error.code, -32001);
  }
});

Deno.test("an upstream that is too busy to say what it speaks stays what it was", async () => {
  await using server = startServer();
  let isBusy = false;
  server.behave((message) => {
    if (isBusy && message.method === "server/discover") return streamOf(": busy\n\n");
    return modernAnswer(message) ?? Response.json(result(message.id, { content: [] }));
  });
  let nowMs = 0;
  const client = await startFront(upstreamOf(server.url), { steadyMs: () => nowMs });
  await callModern(client);
  isBusy = true;
  nowMs = 31_000;
  await callModern(client);
  await soon();
  assert.equal(server.calls("server/discover").length, 2);
  assert.ok((await callModern(client)).result);
  // Of one that nobody knows yet, silence says that it never heard of the question.
  const stranger = await startFront(upstreamOf(server.url), { steadyMs: () => nowMs });
  assert.equal((await callModern(stranger)).error?.code, -32022);
});
