import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  event,
  hang,
  readMessage,
  result,
  startFront,
  startServer,
  streamOf,
  upstreamOf,
} from "./front_fixture.ts";
import type { ResolvedUpstream } from "./upstream_connection.ts";

type Behaviour = Parameters<ReturnType<typeof startServer>["behave"]>[0];

/** Calls `pay_invoice` once on a server that answers it like this. */
async function callOnce(answer: Behaviour, changes: Partial<ResolvedUpstream> = {}) {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url, changes));
  await client.initialize();
  server.behave((message, request) => message.method === "tools/call" ? answer(message, request) : undefined);
  const called = await client.call("pay_invoice", { amount: 1 });
  return { ...called, client, calls: server.calls("tools/call").length };
}

Deno.test("tools/call gives the gateway a frozen call and the answer a decision", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  const response = await client.request("tools/call", {
    name: "pay_invoice",
    arguments: { b: [1, { c: true }], a: "x" },
    _meta: { "intentgate/prompt": { text: "pay" }, "intentgate/memory": ["m"], progressToken: 1 },
  });
  const message = await response.json();
  const call = client.gateway.calls[0];
  assert.ok(
    call && Object.isFrozen(call) && Object.isFrozen(call.arguments) && Object.isFrozen(call.arguments.b),
  );
  assert.equal(
    call.argumentsDigest,
    createHash("sha256").update('{"a":"x","b":[1,{"c":true}]}').digest("hex"),
  );
  assert.deepEqual([call.prompt, call.memory], [{ text: "pay" }, ["m"]]);
  assert.deepEqual([call.upstream, call.method, call.name, call.sourceIp], [
    "acme",
    "tools/call",
    "pay_invoice",
    "192.0.2.7",
  ]);
  assert.equal(call.deadlineMs - call.receivedAtMs, 1_000);
  assert.deepEqual(message.result._meta["intentgate/decision"], { decision_id: call.id });
  assert.equal(client.gateway.definitions[0]?.annotations.destructiveHint, true);
});

Deno.test("the ending knows the size and digest of the upstream's result", async () => {
  const inside = '{ "big":12345678901234567890,"f":1.0,"_meta":{"intentgate/decision":"forged","x":1}}';
  const { response, ending } = await callOnce(() =>
    new Response(`{"jsonrpc":"2.0","result":${inside},"id":2}`, {
      headers: { "content-type": "application/json" },
    })
  );
  assert.equal(response.status, 200);
  assert.equal(ending.kind, "ok");
  assert.equal(ending.upstreamStatus, 200);
  assert.equal(ending.resultBytes, inside.length);
  assert.equal(ending.resultDigest, createHash("sha256").update(inside).digest("hex"));
});

Deno.test("a JSON answer is spliced, never written anew", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  const before =
    '{"jsonrpc":"2.0","result":{ "big":12345678901234567890,"f":1.0,"_meta":{"intentgate/decision":';
  server.behave((message) =>
    message.method !== "tools/call" ? undefined : new Response(
      `${before}"forged","x":1e0}},"id":${message.id}}`,
      { headers: { "content-type": "application/json; charset=utf-8", "set-cookie": "a=b", server: "x" } },
    )
  );
  const response = await client.request("tools/call", { name: "pay_invoice" });
  const call = client.gateway.calls[0];
  assert.equal(await response.text(), `${before}{"decision_id":"${call?.id}"},"x":1e0}},"id":2}`);
  assert.equal(response.headers.get("set-cookie"), null);
  assert.equal(response.headers.get("server"), null);
});

Deno.test("a stream passes event by event, without what the server may not ask, and ends with the answer", async () => {
  const { response, message, ending } = await callOnce((call) => {
    const progress = {
      jsonrpc: "2.0",
      method: "notifications/progress",
      params: { progress: 1, progressToken: 1 },
    };
    const question = { jsonrpc: "2.0", id: 2, method: "elicitation/create", params: {} };
    const answer = event(result(call.id, { content: [], n: 1 }));
    return streamOf(
      "\ufeffid: 1\nretry: 5\ndata: \n\n" + event(progress).slice(0, 20),
      event(progress).slice(20) + event(question) + event(result("other", { n: 2 })),
      answer.slice(0, 30),
      answer.slice(30) + event(result(call.id, { n: "second answer" })),
    );
  });
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  assert.equal(response.headers.get("x-accel-buffering"), "no");
  assert.match(response.headers.get("cache-control") ?? "", /no-cache/);
  assert.equal(message.result.n, 1);
  assert.ok(message.result._meta["intentgate/decision"].decision_id);
  assert.equal(ending.kind, "ok");
});

Deno.test("a stream's first events arrive before the upstream has answered", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  let finish = () => {};
  const finished = new Promise<void>((done) => finish = done);
  server.behave((message) => {
    if (message.method !== "tools/call") return undefined;
    const parts = [event({ jsonrpc: "2.0", method: "notifications/progress", params: {} })];
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const part = parts.shift();
        if (part !== undefined) return controller.enqueue(new TextEncoder().encode(part));
        await finished;
        controller.enqueue(new TextEncoder().encode(event(result(message.id, { content: [] }))));
        controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const response = await client.request("tools/call", { name: "pay_invoice" });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.match((await reader?.read())?.value ?? "", /notifications\/progress/);
  finish();
  assert.match((await reader?.read())?.value ?? "", /intentgate\/decision/);
  assert.equal((await reader?.read())?.done, true);
});

Deno.test("the outcome becomes known although the client has gone away", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  server.behave((message) =>
    message.method !== "tools/call" ? undefined : streamOf(
      event({ jsonrpc: "2.0", method: "notifications/progress", params: {} }),
      100,
      event(result(message.id, { content: [], isError: true })),
    )
  );
  const response = await client.request("tools/call", { name: "pay_invoice" });
  await response.body?.cancel();
  assert.equal((await client.gateway.endings[0])?.kind, "tool_error");
});

const json = (body: unknown, status = 200) => Response.json(body, { status });
const rpc = (id: unknown, more: object) => ({ jsonrpc: "2.0", id, ...more });

/** What it is, the server's answer, the ending's kind and code, the status for the client. */
const ENDINGS: readonly (readonly [string, Behaviour, string, string | undefined, number])[] = [
  [
    "a result with isError",
    (m) => json(rpc(m.id, { result: { content: [], isError: true } })),
    "tool_error",
    undefined,
    200,
  ],
  [
    "a JSON-RPC error",
    (m) => json(rpc(m.id, { error: { code: -32602, message: "x" } })),
    "tool_error",
    undefined,
    200,
  ],
  [
    "a JSON-RPC error with 400",
    () => json(rpc(null, { error: { code: -32000, message: "x" } }), 400),
    "tool_error",
    undefined,
    400,
  ],
  [
    "a JSON-RPC error with 404",
    () => json(rpc(null, { error: { code: -32001, message: "x" } }), 404),
    "tool_error",
    undefined,
    404,
  ],
  [
    "an error in a stream",
    (m) => streamOf(event(rpc(m.id, { error: { code: 1, message: "x" } }))),
    "tool_error",
    undefined,
    200,
  ],
  [
    "401",
    () => new Response("", { status: 401, headers: { "www-authenticate": "Bearer x" } }),
    "upstream_failed",
    "http_401",
    200,
  ],
  ["403", () => json({}, 403), "upstream_failed", "http_403", 200],
  ["400 without JSON-RPC", () => json({ error: "x" }, 400), "upstream_failed", "http_400", 200],
  ["500", () => json(rpc(1, { error: { code: 1, message: "x" } }), 500), "upstream_failed", "http_500", 200],
  ["a redirect", () => Response.redirect("http://127.0.0.1:9/"), "upstream_failed", "redirect", 200],
  ["202", () => new Response(null, { status: 202 }), "upstream_failed", "not_mcp", 200],
  [
    "a page",
    () => new Response("<html>", { headers: { "content-type": "text/html" } }),
    "upstream_failed",
    "not_mcp",
    200,
  ],
  [
    "broken JSON",
    () => new Response("{", { headers: { "content-type": "application/json" } }),
    "upstream_failed",
    "not_mcp",
    200,
  ],
  ["another id", (m) => json(rpc(String(m.id), { result: {} })), "upstream_failed", "not_mcp", 200],
  ["result and error", (m) => json(rpc(m.id, { result: {}, error: {} })), "upstream_failed", "not_mcp", 200],
  ["a result that is no object", (m) => json(rpc(m.id, { result: [] })), "upstream_failed", "not_mcp", 200],
  ["a batch", (m) => json([rpc(m.id, { result: {} })]), "upstream_failed", "not_mcp", 200],
  [
    "two results",
    (m) =>
      new Response(`{"jsonrpc":"2.0","id":${m.id},"result":{},"result":{}}`, {
        headers: { "content-type": "application/json" },
      }),
    "upstream_failed",
    "not_mcp",
    200,
  ],
  [
    "two _meta",
    (m) =>
      new Response(`{"jsonrpc":"2.0","id":${m.id},"result":{"_meta":{},"_meta":{}}}`, {
        headers: { "content-type": "application/json" },
      }),
    "upstream_failed",
    "not_mcp",
    200,
  ],
  [
    "bytes that are no text",
    () => new Response(new Uint8Array([0xff]), { headers: { "content-type": "application/json" } }),
    "upstream_failed",
    "not_mcp",
    200,
  ],
  [
    "a stream that ends early",
    () => streamOf(event({ jsonrpc: "2.0", method: "notifications/x" })),
    "unknown",
    "stream_closed",
    200,
  ],
  [
    "an event that is cut off",
    (m) => streamOf(event(result(m.id, {})).trimEnd()),
    "unknown",
    "stream_closed",
    200,
  ],
  [
    "a stream that breaks",
    () => streamOf(": x\n\n", 20, new Error("broken")),
    "unknown",
    "connection_lost",
    200,
  ],
];

for (const [what, answer, kind, code, status] of ENDINGS) {
  Deno.test(`tools/call that is answered with ${what} ends as ${kind} ${code ?? ""}`, async () => {
    const { response, message, ending } = await callOnce(answer);
    assert.equal(ending.kind, kind);
    assert.equal(ending.code, code);
    assert.equal(response.status, status);
    assert.equal(response.headers.get("www-authenticate"), null);
    if (kind === "tool_error") return assert.ok(message.error ?? message.result.isError);
    assert.equal(message.error.code, -31016);
    assert.equal(message.error.data.code, kind === "unknown" ? "outcome_unknown" : "upstream_failed");
    assert.ok(message.error.data.decision_id);
  });
}

Deno.test("tools/call that hangs, silently or in a stream, ends as unknown at the upstream's timeout", async () => {
  const silent = await callOnce((_, request) => hang(request), { timeout_ms: 200 });
  assert.deepEqual([silent.ending.kind, silent.ending.code], ["unknown", "timeout"]);
  assert.equal(silent.message.error.code, -31016);
  const stream = await callOnce(() => streamOf("id: 1\ndata: \n\n", 600), { timeout_ms: 200 });
  assert.deepEqual([stream.ending.kind, stream.ending.code], ["unknown", "timeout"]);
  assert.equal(stream.message.error.data.code, "outcome_unknown");
});

Deno.test("a resumable stream that ends early ends without an error, so that the client can resume", async () => {
  const { message, ending } = await callOnce(() => streamOf("id: 1\nretry: 10\ndata: \n\n"));
  assert.equal(message, undefined);
  assert.deepEqual([ending.kind, ending.code], ["unknown", "stream_closed"]);
});

Deno.test("tools/call on a dead upstream ends as upstream_failed", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  for (const url of [`http://127.0.0.1:${port}/mcp`, "http://no-such-host.invalid/mcp"]) {
    const { ending, message } = await callElsewhere(url);
    assert.deepEqual([ending.kind, ending.code], ["upstream_failed", "connect_failed"]);
    assert.equal(message.error.code, -31016);
    assert.doesNotMatch(JSON.stringify(message), /127\.0\.0\.1|invalid/);
  }
});

Deno.test("tools/call whose connection is closed before an answer ends as unknown", async () => {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const closing = (async () => {
    const connection = await listener.accept();
    await connection.read(new Uint8Array(65_536));
    connection.close();
  })();
  const { ending } = await callElsewhere(`http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/mcp`);
  await closing;
  assert.deepEqual([ending.kind, ending.code], ["unknown", "connection_lost"]);
});

/** Opens a session on a test server, then calls through a front that has the same key and another address. */
async function callElsewhere(url: string) {
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, [
    "encrypt",
    "decrypt",
  ]);
  const sessionKeys = { active: "k1", keys: new Map([["k1", key]]) };
  await using server = startServer();
  const first = await startFront(upstreamOf(server.url), { sessionKeys });
  await first.initialize();
  const second = await startFront(upstreamOf(url), { sessionKeys });
  second.session = first.session;
  second.gateway.needsDefinition = false;
  return await second.call("pay_invoice");
}

/** 100 MB in pieces of 1 MB, as long as somebody takes them. */
function flood(contentType: string, piece: string): { response: Response; taken: () => number } {
  let sent = 0;
  const bytes = new TextEncoder().encode(piece.repeat(1024 * 1024 / piece.length));
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent >= 100) return controller.close();
      sent++;
      controller.enqueue(bytes);
    },
  });
  return { response: new Response(body, { headers: { "content-type": contentType } }), taken: () => sent };
}

for (
  const [what, contentType, piece] of [
    ["JSON", "application/json", " "],
    ["one endless event", "text/event-stream", "d"],
    ["one endless event of short lines", "text/event-stream", "a\n"],
    ["many events", "text/event-stream", ": comment\n\n     "],
  ] as const
) {
  Deno.test(`tools/call that is answered with 100 MB of ${what} is cut off`, async () => {
    let taken = () => 0;
    const { message, ending } = await callOnce(() => {
      const answer = flood(contentType, piece);
      taken = answer.taken;
      return answer.response;
    });
    assert.deepEqual([ending.kind, ending.code], ["upstream_failed", "response_too_large"]);
    assert.equal(message.error.code, -31016);
    assert.ok(taken() < 40, `${taken()} MB were taken`);
  });
}

Deno.test("a tool that is not in the catalogue is not forwarded", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  const response = await client.request("tools/call", { name: "no_such_tool" });
  assert.equal((await readMessage(response)).error.data.code, "not_available");
  assert.equal(server.calls("tools/call").length, 0);
});
