import assert from "node:assert/strict";
import { startFront, startServer, upstreamOf } from "./front_fixture.ts";

const CALL = '"jsonrpc":"2.0","id":1,"method":"tools/call"';
const bytes = (...parts: (string | number[])[]) =>
  new Uint8Array(
    parts.flatMap((part) => typeof part === "string" ? [...new TextEncoder().encode(part)] : part),
  );

/** What it is, the body, the status, the JSON-RPC code. None may reach the gateway. */
const BODIES: readonly (readonly [string, BodyInit, number, number])[] = [
  ["no JSON", "{", 400, -32700],
  ["an empty body", "", 400, -32700],
  ["trailing garbage", `{${CALL},"params":{"name":"x"}} {}`, 400, -32700],
  ["a byte order mark", bytes([0xef, 0xbb, 0xbf], `{${CALL},"params":{"name":"x"}}`), 400, -32700],
  ["invalid UTF-8", bytes(`{${CALL},"params":{"name":"`, [0xff], '"}}'), 400, -32700],
  ["an overlong encoding", bytes(`{${CALL},"params":{"name":"`, [0xc0, 0xaf], '"}}'), 400, -32700],
  ["UTF-16", bytes([0xff, 0xfe, 0x7b, 0, 0x7d, 0]), 400, -32700],
  ["a batch", `[{${CALL},"params":{"name":"x"}}]`, 400, -32600],
  ["a text", '"x"', 400, -32600],
  ["null", "null", 400, -32600],
  ["a duplicate method", `{${CALL},"method":"tools/list","params":{"name":"x"}}`, 400, -32600],
  ["a duplicate tool name", `{${CALL},"params":{"name":"x","name":"y"}}`, 400, -32600],
  ["an escaped duplicate", `{${CALL},"params":{"name":"x","n\\u0061me":"y"}}`, 400, -32600],
  ["a duplicate argument", `{${CALL},"params":{"name":"x","arguments":{"a":{"b":1,"b":2}}}}`, 400, -32600],
  ["a duplicate in _meta", `{${CALL},"params":{"name":"x","_meta":{"a":1,"a":2}}}`, 400, -32600],
  ["__proto__", `{${CALL},"params":{"name":"x","arguments":{"__proto__":{}}}}`, 400, -32600],
  ["an escaped __proto__", `{${CALL},"params":{"name":"x","arguments":{"\\u005f_proto__":{}}}}`, 400, -32600],
  ["a lone surrogate", `{${CALL},"params":{"name":"x","arguments":{"a":"\\ud800"}}}`, 400, -32600],
  ["a lone surrogate in a name", `{${CALL},"params":{"name":"x","arguments":{"\\udc00":1}}}`, 400, -32600],
  ["NUL in a member name", `{${CALL},"params":{"name":"x","arguments":{"a\\u0000":1}}}`, 400, -32600],
  ["NUL in the tool name", `{${CALL},"params":{"name":"x\\u0000"}}`, 400, -32602],
  ["NUL in an argument", `{${CALL},"params":{"name":"x","arguments":{"a":"\\u0000"}}}`, 400, -32602],
  [
    "NUL in the prompt",
    `{${CALL},"params":{"name":"x","_meta":{"intentgate/prompt":"\\u0000"}}}`,
    400,
    -32602,
  ],
  [
    "an integer beyond 2^53-1",
    `{${CALL},"params":{"name":"x","arguments":{"a":9007199254740993}}}`,
    400,
    -32600,
  ],
  [
    "a decimal no double holds",
    `{${CALL},"params":{"name":"x","arguments":{"a":0.10000000000000001}}}`,
    400,
    -32600,
  ],
  ["an infinite number", `{${CALL},"params":{"name":"x","arguments":{"a":1e999}}}`, 400, -32600],
  [
    "deep nesting",
    `{${CALL},"params":{"name":"x","arguments":{"a":${"[".repeat(40)}${"]".repeat(40)}}}}`,
    400,
    -32600,
  ],
  ["very deep nesting", "[".repeat(30_000) + "]".repeat(30_000), 400, -32600],
  ["another version of JSON-RPC", '{"jsonrpc":"1.0","id":1,"method":"ping"}', 400, -32600],
  ["no version of JSON-RPC", '{"id":1,"method":"ping"}', 400, -32600],
  ["a null id", '{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"x"}}', 400, -32600],
  ["a fractional id", '{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 400, -32600],
  ["an object as id", '{"jsonrpc":"2.0","id":{},"method":"ping"}', 400, -32600],
  ["a huge id", `{"jsonrpc":"2.0","id":"${"x".repeat(300)}","method":"ping"}`, 400, -32600],
  ["a call without an id", '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"x"}}', 400, -32600],
  ["a notification with an id", '{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}', 400, -32600],
  ["no method", '{"jsonrpc":"2.0","id":1}', 400, -32600],
  ["a number as method", '{"jsonrpc":"2.0","id":1,"method":7}', 400, -32600],
  ["NUL in the method", '{"jsonrpc":"2.0","id":1,"method":"tools/call\\u0000"}', 400, -32600],
  ["a request that is also an answer", `{${CALL},"params":{"name":"x"},"result":{}}`, 400, -32600],
  ["params as an array", `{${CALL},"params":["x"]}`, 400, -32600],
  ["params null", `{${CALL},"params":null}`, 400, -32600],
  ["arguments as an array", `{${CALL},"params":{"name":"x","arguments":[]}}`, 400, -32602],
  ["arguments null", `{${CALL},"params":{"name":"x","arguments":null}}`, 400, -32602],
  ["_meta as a text", `{${CALL},"params":{"name":"x","_meta":"y"}}`, 400, -32602],
  ["no tool name", `{${CALL},"params":{}}`, 400, -32602],
  ["no params", `{${CALL}}`, 400, -32602],
  ["an empty tool name", `{${CALL},"params":{"name":""}}`, 400, -32602],
  ["a huge tool name", `{${CALL},"params":{"name":"${"x".repeat(300)}"}}`, 400, -32602],
  ["a task", `{${CALL},"params":{"name":"x","task":{}}}`, 400, -32602],
  ["Method beside method", `{${CALL},"Method":"tools/list","params":{"name":"x"}}`, 400, -32600],
  ["Params instead of params", `{${CALL},"Params":{"name":"x"}}`, 400, -32600],
  ["JSONRPC", `{${CALL},"JSONRPC":"2.0","params":{"name":"x"}}`, 400, -32600],
  ["Name beside name", `{${CALL},"params":{"name":"x","Name":"y"}}`, 400, -32600],
  ["Arguments", `{${CALL},"params":{"name":"x","Arguments":{}}}`, 400, -32600],
  ["argumentſ with a long s", `{${CALL},"params":{"name":"x","argument\u017f":{}}}`, 400, -32600],
  ["_Meta", `{${CALL},"params":{"name":"x","_Meta":{}}}`, 400, -32600],
  ["a variant of the prompt", `{${CALL},"params":{"name":"x","_meta":{"IntentGate/prompt":1}}}`, 400, -32600],
  [
    "a body that is too long",
    `{${CALL},"params":{"name":"x","arguments":{"a":"${"y".repeat(70_000)}"}}}`,
    413,
    -32000,
  ],
];

for (const [what, body, status, code] of BODIES) {
  Deno.test(`front refuses ${what}`, async () => {
    const client = await startFront(upstreamOf("http://127.0.0.1:9"));
    const response = await client.send(body);
    assert.equal(response.status, status);
    const message = await response.json();
    assert.equal(message.error.code, code);
    assert.equal(message.jsonrpc, "2.0");
    assert.equal(client.gateway.calls.length, 0);
  });
}

const GOOD = `{${CALL},"params":{"name":"x"}}`;
const HEADERS: readonly (readonly [string, Record<string, string | undefined>, number])[] = [
  ["a foreign Host", { host: "evil.example" }, 403],
  ["a Host that only ends like ours", { host: "evil.gateway.example" }, 403],
  ["a foreign Origin", { origin: "https://evil.example" }, 403],
  ["an opaque Origin", { origin: "null" }, 403],
  ["an Origin of another scheme", { origin: "file://127.0.0.1" }, 403],
  ["a foreign content type", { "content-type": "text/plain" }, 415],
  ["no content type", { "content-type": undefined }, 415],
  ["a similar content type", { "content-type": "application/jsonp" }, 415],
  ["an Accept without event streams", { accept: "application/json" }, 406],
  ["an Accept without JSON", { accept: "text/event-stream" }, 406],
  ["an Accept of anything", { accept: "*/*" }, 406],
  ["an Accept that excludes JSON", { accept: "application/json;q=0, text/event-stream" }, 406],
];
for (const [what, headers, status] of HEADERS) {
  Deno.test(`front refuses ${what}`, async () => {
    const client = await startFront(upstreamOf("http://127.0.0.1:9"));
    const response = await client.send(GOOD, { headers });
    assert.equal(response.status, status);
    assert.ok((await response.json()).error.message);
    assert.equal(client.gateway.calls.length, 0);
  });
}

const ACCEPTED: readonly (readonly [string, Record<string, string>])[] = [
  ["a configured Host with a port", { host: "gateway.example:8443" }],
  ["a loopback Host on any port", { host: "localhost:1" }],
  ["the IPv6 loopback", { host: "[::1]:8080" }],
  ["a loopback Origin", { origin: "http://localhost:6274" }],
  ["a configured Origin", { origin: "https://gateway.example" }],
  ["content type parameters", { "content-type": "Application/JSON; charset=utf-8" }],
  ["Accept in capitals with qualities", { accept: "TEXT/event-stream;q=0.5,Application/json;q=1" }],
];
for (const [what, headers] of ACCEPTED) {
  Deno.test(`front accepts ${what}`, async () => {
    const client = await startFront(upstreamOf("http://127.0.0.1:9"));
    // Without a session a well-formed call gets as far as this.
    assert.match((await (await client.send(GOOD, { headers })).json()).error.message, /Mcp-Session-Id/);
  });
}

Deno.test("front accepts loopback names only on a loopback listener", async () => {
  const client = await startFront(upstreamOf("http://127.0.0.1:9"), { isLoopbackListener: false });
  assert.equal((await client.send(GOOD)).status, 403);
  assert.equal((await client.send(GOOD, { headers: { host: "gateway.example" } })).status, 400);
});

Deno.test("front refuses other HTTP methods", async () => {
  const client = await startFront(upstreamOf("http://127.0.0.1:9"));
  for (const method of ["PUT", "PATCH", "OPTIONS", "HEAD"]) {
    const response = await client.send(null, { method });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get("allow"), "POST, GET, DELETE");
  }
});

Deno.test("front ignores a token in the query", async () => {
  const client = await startFront(upstreamOf("http://127.0.0.1:9"));
  const request = new Request("http://127.0.0.1:8080/mcp/acme?access_token=good", {
    method: "POST",
    headers: {
      host: "localhost",
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: GOOD,
  });
  assert.equal((await client.front.handle(request, "acme", "192.0.2.7")).status, 401);
});

Deno.test("front stops reading a body without a length at the limit, and one that does not end at its time", async () => {
  const client = await startFront(upstreamOf("http://127.0.0.1:9"), { bodyTimeoutMs: 50 });
  let produced = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      produced += 1024;
      controller.enqueue(new Uint8Array(1024).fill(32));
    },
  });
  assert.equal((await client.send(endless)).status, 413);
  assert.ok(produced < 128 * 1024, `${produced} bytes were taken`);
  const silent = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array([0x7b])),
  });
  assert.equal((await client.send(silent)).status, 408);
});

Deno.test("front holds bodies to their declared length and time, over a socket", async () => {
  const client = await startFront(upstreamOf("http://127.0.0.1:9"), { bodyTimeoutMs: 100 });
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request) => client.front.handle(request, "acme", "192.0.2.7"),
  );
  const statusOf = async (length: number, body: string) => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
    const head = `POST /mcp/acme HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n` +
      `Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${length}\r\n\r\n`;
    await connection.write(new TextEncoder().encode(head + body));
    const answer = new Uint8Array(4096);
    const read = await connection.read(answer);
    return new TextDecoder().decode(answer.subarray(0, read ?? 0)).split(" ")[1];
  };
  // Without a session a well-formed call gets as far as 400.
  assert.equal(await statusOf(GOOD.length, GOOD), "400");
  assert.equal(await statusOf(GOOD.length + 10, GOOD), "408");
  assert.equal(await statusOf(66_000, GOOD), "413");
  assert.equal(client.gateway.calls.length, 0);
});

Deno.test("front forwards exactly the bytes it received", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  const body =
    ' {"params" : {"arguments":{"n":1.0,"e":1e2,"s":"\\u0041\\/é"}, "name":"read_invoice","x":[] },' +
    '"id":"a\\u0062", "jsonrpc":"2.0","method":"tools/call","extra":-0}\r\n';
  server.behave((message) =>
    message.method === "tools/call"
      ? Response.json({ jsonrpc: "2.0", id: message.id, result: { content: [] } })
      : undefined
  );
  const response = await client.send(body);
  assert.equal((await response.json()).id, "ab");
  assert.equal(server.calls("tools/call")[0]?.body, body);
  assert.deepEqual(client.gateway.calls[0]?.arguments, { n: 1, e: 100, s: "A/é" });
});
