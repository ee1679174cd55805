/** Nobody waits in vain: the client for an answer that will not come, the upstream for one that nobody may give. */
import assert from "node:assert/strict";
import {
  event,
  modernAnswer,
  readMessage,
  result,
  startFront,
  startServer,
  streamOf,
  type TestServer,
  upstreamOf,
} from "./front_fixture.ts";

const GET = { method: "GET", headers: { "content-type": undefined, accept: "text/event-stream" } };

Deno.test("a stream that breaks and cannot be resumed ends with an error, whatever ids its events have", async () => {
  for (const how of ["session", "sessionless", "modern"] as const) {
    await using server = startServer({ hasSessions: how === "session" });
    server.behave((message) => {
      if (message.method === "tools/call") return streamOf("id: 1\ndata: \n\n");
      return how === "modern" ? modernAnswer(message) : undefined;
    });
    const client = await startFront(upstreamOf(server.url));
    if (how !== "modern") await client.initialize();
    const call = { name: "pay_invoice", arguments: {} };
    const asked = how === "modern" ? client.modern("tools/call", call) : client.request("tools/call", call);
    const message = await readMessage(await asked);
    if (how === "session") assert.equal(message, undefined, "the client comes back with Last-Event-ID");
    else assert.equal(message?.error?.data.code, "outcome_unknown", how);
  }
});

/** A server that asks its client something, before an answer or on the session's stream, and waits for the answer. */
function startAskingServer(question: unknown): TestServer & { readonly answers: unknown[] } {
  const server = Object.assign(startServer(), { answers: [] as unknown[] });
  let answered = Promise.withResolvers<void>();
  server.behave(async (message, request) => {
    if (message.method === undefined && request.method === "POST") {
      server.answers.push(message);
      answered.resolve();
      return new Response(null, { status: 202 });
    }
    if (message.method !== "tools/call" && request.method !== "GET") return undefined;
    answered = Promise.withResolvers();
    const asked = new TextEncoder().encode(event(question));
    const done = event(
      message.id === undefined ? { jsonrpc: "2.0", method: "notifications/done" } : result(message.id, {}),
    );
    const body = new ReadableStream<Uint8Array>({
      async start(out) {
        out.enqueue(asked);
        await answered.promise;
        out.enqueue(new TextEncoder().encode(done));
        out.close();
      },
    });
    return await Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
  });
  return server;
}

Deno.test("an upstream is told at once of a question that does not pass, so that its call goes on", async () => {
  const questions = [
    { jsonrpc: "2.0", id: "q", method: "elicitation/create", params: { message: "?", requestedSchema: {} } },
    { jsonrpc: "2.0", id: 7, method: "tools/call", params: {} },
    { jsonrpc: "2.0", id: "x".repeat(200), method: "ping" },
  ];
  for (const question of questions) {
    await using server = startAskingServer(question);
    const client = await startFront(upstreamOf(server.url));
    await client.initialize();
    const { message } = await client.call("pay_invoice");
    assert.ok(message.result, JSON.stringify(message));
    const text = await (await client.send(null, GET)).text();
    assert.ok(text.includes("notifications/done") && !text.includes('"id"'), text);
    const refusal = { jsonrpc: "2.0", id: question.id, error: { code: -32601, message: "Method not found" } };
    assert.deepEqual(server.answers, [refusal, refusal]);
    const seen = server.calls("Method not found");
    assert.ok(seen.every(({ headers }) => headers.get("mcp-session-id") === "up-1"));
  }
});

Deno.test("questions without end are refused eight at a time", async () => {
  await using server = startServer();
  const all = Promise.withResolvers<void>();
  let refusals = 0;
  server.behave(async ({ id, method, error }) => {
    if (error !== undefined) {
      refusals++;
      await all.promise;
      return new Response(null, { status: 202 });
    }
    if (method !== "tools/call") return undefined;
    const asked = (n: number) => event({ jsonrpc: "2.0", id: `q${n}`, method: "roots/list" });
    const questions = Array.from({ length: 50 }, (_, n) => asked(n)).join("");
    return streamOf(questions, 200, event(result(id, {})));
  });
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  assert.ok((await client.call("pay_invoice")).message.result);
  assert.equal(refusals, 8);
  all.resolve();
});

Deno.test("a notification is taken when the upstream says so, whatever comes after that", async () => {
  await using server = startServer();
  server.behave(({ method }) => method === "notifications/cancelled" ? streamOf(":\n\n", 1_500) : undefined);
  const client = await startFront(upstreamOf(server.url, { timeout_ms: 1_000 }));
  await client.initialize();
  const startedMs = performance.now();
  const params = { requestId: 1 };
  const taken = await client.send(
    JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params }),
  );
  assert.equal(taken.status, 202);
  assert.ok(performance.now() - startedMs < 500);
});

Deno.test("an upstream that has one stream for a session says so of a second one with 409", async () => {
  await using server = startServer();
  server.behave((_message, { method }) => method === "GET" ? new Response("no", { status: 409 }) : undefined);
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  const refused = await client.send(null, GET);
  assert.equal(refused.status, 409);
  assert.equal((await refused.json()).error.code, -32000);
});
