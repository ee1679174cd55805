import assert from "node:assert/strict";
import {
  allowAll,
  readMessage,
  result,
  startFront,
  startServer,
  TOOLS,
  upstreamOf,
} from "./front_fixture.ts";

Deno.test("initialize strips what would let the upstream ask, and keeps what is governed of what it promises", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  const message = await client.initialize();
  const governed = { tools: { listChanged: true }, prompts: {}, logging: {} };
  assert.deepEqual(message.result.capabilities, governed);
  assert.equal(message.result.serverInfo.name, "test");
  assert.ok(client.session?.startsWith("igs1.") && !client.session.includes("up-1"));
  const sent = JSON.parse(server.calls("initialize")[0]?.body ?? "");
  assert.deepEqual(sent.params.capabilities, { experimental: { x: {} } });
  assert.equal(sent.params.clientInfo.name, "test");
});

Deno.test("a client's session maps to the upstream's, and only trace headers of the agent go on", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  const initialized = await client.send('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  assert.equal(initialized.status, 202);
  assert.equal(await initialized.text(), "");
  const response = await client.request("ping", undefined, {
    headers: {
      cookie: "a=b",
      forwarded: "for=1.2.3.4",
      "x-forwarded-for": "1.2.3.4",
      "x-api-key": "of-the-agent",
      "mcp-method": "tools/list",
      "last-event-id": "7",
      "mcp-protocol-version": "2025-11-25",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    },
  });
  assert.deepEqual((await response.json()).result, {});
  const seen = server.calls("ping")[0]?.headers;
  assert.equal(seen?.get("mcp-session-id"), "up-1");
  assert.equal(seen?.get("x-api-key"), "secret-of-the-gateway");
  assert.equal(seen?.get("traceparent"), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  assert.equal(seen?.get("accept-encoding"), "identity");
  assert.equal(seen?.get("mcp-protocol-version"), "2025-11-25");
  for (
    const name of ["authorization", "cookie", "forwarded", "x-forwarded-for", "mcp-method", "last-event-id"]
  ) {
    assert.equal(seen?.get(name), null, name);
  }
});

Deno.test("an upstream without sessions works, and its GET and DELETE are 405", async () => {
  await using server = startServer({ hasSessions: false });
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  assert.ok(client.session);
  assert.equal((await client.call("read_invoice")).ending.kind, "ok");
  assert.equal(server.calls("tools/call")[0]?.headers.get("mcp-session-id"), null);
  for (const method of ["GET", "DELETE"]) {
    const response = await client.send(null, { method });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get("allow"), "POST");
  }
});

Deno.test("a session belongs to one principal, one upstream, one version and its lifetime", async () => {
  await using server = startServer();
  let nowMs = Date.now();
  const client = await startFront(upstreamOf(server.url), { nowMs: () => nowMs, sessionLifetimeSeconds: 60 });
  await client.initialize();
  const status = async (headers: Record<string, string | undefined>) => {
    const statuses = [];
    for (
      const [method, params] of [["ping", {}], ["tools/list", {}], ["tools/call", {
        name: "read_invoice",
      }]] as const
    ) {
      statuses.push((await client.request(method, params, { headers })).status);
    }
    for (const method of ["GET", "DELETE"]) {
      statuses.push((await client.send(null, { method, headers })).status);
    }
    return statuses;
  };
  assert.deepEqual(await status({ authorization: "Bearer other" }), [404, 404, 404, 404, 404]);
  assert.deepEqual(await status({ "mcp-session-id": "igs1.AAAA" }), [404, 404, 404, 404, 404]);
  assert.deepEqual(await status({ "mcp-session-id": "up-1" }), [404, 404, 404, 404, 404]);
  assert.deepEqual(await status({ "mcp-session-id": undefined }), [400, 400, 400, 405, 405]);
  assert.deepEqual(await status({ "mcp-protocol-version": "2025-06-18" }), [400, 400, 400, 400, 400]);
  assert.deepEqual(await status({ "mcp-protocol-version": "1999-01-01" }), [400, 400, 400, 400, 400]);
  assert.deepEqual(await status({ authorization: undefined }), [401, 401, 401, 401, 401]);
  assert.deepEqual((await status({})).slice(0, 3), [200, 200, 200]);
  nowMs += 61_000;
  assert.deepEqual(await status({}), [404, 404, 404, 404, 404]);
});

Deno.test("an upstream that has forgotten the session makes the client open a new one", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  server.behave((_message, request) =>
    request.headers.get("mcp-session-id") === "up-1" ? new Response("gone", { status: 404 }) : undefined
  );
  client.gateway.needsDefinition = false;
  for (const method of ["ping", "tools/list", "tools/call"]) {
    const response = await client.request(method, { name: "read_invoice" });
    assert.equal(response.status, 404);
    assert.equal((await response.json()).error.code, -32001);
  }
  assert.equal((await client.gateway.endings.at(-1))?.code, "http_404");
  assert.equal((await client.send('{"jsonrpc":"2.0","method":"notifications/initialized"}')).status, 404);
});

Deno.test("401 says invalid_token only when there was a token", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  const missing = await client.request("initialize", {}, { headers: { authorization: undefined } });
  assert.equal(missing.status, 401);
  const where = 'resource_metadata="http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp/acme"';
  assert.equal(missing.headers.get("www-authenticate"), `Bearer realm="intentgate", ${where}`);
  const body = await missing.json();
  assert.equal(body.error.code, -31010);
  assert.equal(body.error.data.code, "invalid_token");
  assert.equal(body.id, 1);
  const bad = await client.request("tools/call", { name: "x" }, { headers: { authorization: "bEARER bad" } });
  assert.equal(bad.status, 401);
  const challenge = `Bearer realm="intentgate", error="invalid_token", ${where}`;
  assert.equal(bad.headers.get("www-authenticate"), challenge);
  const basic = await client.request("ping", {}, { headers: { authorization: "Basic Z29vZA==" } });
  assert.equal(basic.headers.get("www-authenticate"), `Bearer realm="intentgate", ${where}`);
  assert.equal(server.seen.length, 0);
});

Deno.test("more than 64 KiB is read and parsed only for who has a valid token", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url), { maxBodyBytes: 1_000_000 });
  const malformed = `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"${"x".repeat(70_000)}","a":1}}`;
  const post = async (credential: string, body: BodyInit) => {
    const response = await client.send(body, {
      headers: { authorization: `Bearer ${credential}` },
    });
    await response.body?.cancel();
    return response.status;
  };
  const chunked = () => new Blob([malformed]).stream();
  assert.equal(await post("good", malformed), 400);
  assert.equal(await post("bad", malformed), 401);
  assert.equal(await post("bad", malformed.slice(0, 60_000)), 400);
  assert.equal(await post("good", chunked()), 400);
  assert.equal(await post("bad", chunked()), 401);
});

Deno.test("an unknown upstream looks like one that the token does not cover", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  for (
    const [method, params] of [["initialize", {}], ["tools/list", {}], ["tools/call", { name: "x" }]] as const
  ) {
    const read = async (authorization: string, upstream: string) => {
      const response = await client.request(method, params, { headers: { authorization }, upstream });
      const { error } = await response.json();
      return [response.status, error.code, error.message, error.data.check, error.data.code];
    };
    const unknown = await read("Bearer good", "nowhere");
    assert.deepEqual(unknown, await read("Bearer narrow", "acme"));
    assert.deepEqual(unknown, await read("Bearer narrow", "nowhere"));
    assert.equal(unknown[4], "not_available");
  }
  assert.equal(
    (await client.request("ping", {}, { headers: { authorization: undefined }, upstream: "nowhere" })).status,
    401,
  );
  await client.request("tools/call", { name: "x" }, { upstream: "\0".repeat(3) });
  assert.equal(client.gateway.calls.at(-1)?.upstream, "-");
});

Deno.test("an upstream of another tenant looks like an unknown one", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url, { tenants: ["globex"] }));
  for (const [method, params] of [["initialize", {}], ["tools/call", { name: "read_invoice" }]] as const) {
    assert.equal((await (await client.request(method, params)).json()).error.data.code, "not_available");
  }
  assert.equal(server.seen.length, 0);
});

Deno.test("tools/list keeps order, cursor and the bytes of what stays, as JSON and as a stream", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  client.gateway.lists = (tools) => Promise.resolve(tools.map((tool) => tool.name !== "hidden"));
  const tool = (name: string) => `{ "name":"${name}","inputSchema":{"maximum":12345678901234567890} }`;
  const text = (id: number) =>
    `{"jsonrpc":"2.0","id":${id},"result":{"nextCursor":"c2","tools":[${tool("b")}, ${tool("hidden")},${
      tool("a")
    },` +
    `{"name":"a","name":"hidden","inputSchema":{}},{"no":"tool"}],"x":1.0}}`;
  const filtered = (id: number) =>
    `{"jsonrpc":"2.0","id":${id},"result":{"nextCursor":"c2","tools":[${tool("b")},${tool("a")}],"x":1.0}}`;
  const json = { headers: { "content-type": "application/json" } };
  const all = ["b", "hidden", "a"].map((name) => JSON.parse(tool(name)));
  server.behave((message) =>
    message.method === "tools/list" ? Response.json(result(message.id, { tools: all })) : undefined
  );
  await client.call("a"); // the gateway has its own reading of the tools now
  server.behave((message) => new Response(text(message.id), json));
  const first = await (await client.request("tools/list", { cursor: "c1" })).text();
  assert.equal(first, filtered(JSON.parse(first).id));
  assert.match(server.calls("tools/list").at(-1)?.body ?? "", /"cursor":"c1"/);
  server.behave((message) =>
    new Response(`: hello\n\nid: 5\ndata: ${text(message.id)}\n\n`, {
      headers: { "content-type": "text/event-stream" },
    })
  );
  const second = await (await client.request("tools/list")).text();
  assert.equal(
    second,
    `id: 5\ndata: ${filtered(JSON.parse(second.split("data: ")[1] ?? "").id)}\n\n`,
  );
});

Deno.test("a filter that fails lists nothing", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  client.gateway.lists = () => Promise.reject(new Error("broken"));
  const text = await (await client.request("tools/list")).text();
  assert.equal(JSON.parse(text).error.code, -31016);
  assert.ok(!text.includes(TOOLS[0]?.name ?? ""));
});

Deno.test("methods that are not spoken are refused, and the upstream never sees them", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  const before = server.seen.length;
  for (
    const method of ["tasks/get", "tasks/list", "server/discover", "sampling/createMessage", "tools/Call"]
  ) {
    const response = await client.request(method, {});
    assert.equal(response.status, 200);
    assert.equal((await response.json()).error.code, -32601);
  }
  for (const method of ["notifications/message", "notifications/tools/list_changed"]) {
    const response = await client.send(JSON.stringify({ jsonrpc: "2.0", method, params: {} }));
    assert.equal(response.status, 400);
    assert.equal((await response.json()).error.code, -32601);
  }
  const answer = await client.send('{"jsonrpc":"2.0","id":1,"result":{}}');
  assert.equal(answer.status, 400);
  assert.equal(server.seen.length, before);
});

Deno.test("modern requests are told which versions are spoken, and server/discover is not there", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  const discover = await client.modern("server/discover");
  assert.equal(discover.status, 200);
  assert.equal((await discover.json()).error.code, -32601);
  const call = await client.modern("tools/call", { name: "read_invoice" });
  assert.equal(call.status, 400);
  const { error } = await call.json();
  assert.equal(error.code, -32022);
  assert.ok(error.data.supported.includes("2025-11-25"));
  assert.equal(error.data.requested, "2026-07-28");
  const list = await client.modern("tools/list");
  assert.equal((await list.json()).error.code, -32022);
  assert.deepEqual(server.seen.map(({ body }) => JSON.parse(body).method), ["server/discover"]);
});

Deno.test("refusals are errors, or tool results where the upstream is configured so", async () => {
  await using server = startServer();
  for (const refusals of ["error", "tool_result"] as const) {
    const client = await startFront(upstreamOf(server.url, { refusals }));
    await client.initialize();
    client.gateway.refusal = {
      check: "budget",
      code: "max_calls_reached",
      reason: "No calls are left",
      retryAfterSeconds: 9,
    };
    const response = await client.request("tools/call", { name: "pay_invoice" });
    assert.equal(response.status, 200);
    const message = await response.json();
    const decision_id = client.gateway.calls[0]?.id;
    const data = {
      check: "budget",
      code: "max_calls_reached",
      reason: "No calls are left",
      decision_id,
      retry_after: 9,
    };
    if (refusals === "error") {
      assert.deepEqual(message.error, { code: -31013, message: "No calls are left", data });
    } else {
      assert.equal(message.result.isError, true);
      assert.deepEqual(message.result._meta["intentgate/refusal"], data);
      assert.match(message.result.content[0].text, /budget.*No calls are left/);
    }
  }
  assert.equal(server.calls("tools/call").length, 0);
});

Deno.test("GET passes the session's stream, without requests of the server, and filters a resumed list", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  client.gateway.lists = (tools) => Promise.resolve(tools.map((tool) => tool.name === "read_invoice"));
  server.behave((_message, request) => {
    if (request.method !== "GET") return undefined;
    const change = { jsonrpc: "2.0", method: "notifications/tools/list_changed" };
    const question = { jsonrpc: "2.0", id: 1, method: "sampling/createMessage", params: {} };
    const list = { jsonrpc: "2.0", id: 9, result: { tools: TOOLS } };
    const events = [change, question, list].map((one) => `data: ${JSON.stringify(one)}\n\n`).join("");
    return new Response(`id: 4\nretry: 9\ndata: \n\n${events}`, {
      headers: { "content-type": "text/event-stream" },
    });
  });
  const response = await client.send(null, { method: "GET", headers: { "last-event-id": "4" } });
  assert.equal(response.headers.get("x-accel-buffering"), "no");
  const text = await response.text();
  assert.ok(text.startsWith("id: 4\nretry: 9\n"));
  assert.ok(text.includes("list_changed") && text.includes("read_invoice"));
  assert.ok(!text.includes("sampling") && !text.includes("pay_invoice"));
  const seen = server.seen.find((one) => one.method === "GET");
  assert.equal(seen?.headers.get("last-event-id"), "4");
  assert.equal(seen?.headers.get("mcp-session-id"), "up-1");
  const unaccepted = await client.send(null, { method: "GET", headers: { accept: "application/json" } });
  assert.equal(unaccepted.status, 406);
});

Deno.test("DELETE ends the upstream's session; 405 and failures of the upstream are told", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  const refused = await client.send(null, { method: "DELETE" });
  assert.equal(refused.status, 405);
  assert.equal(refused.headers.get("allow"), "POST, GET");
  server.behave((_message, request) =>
    request.method === "DELETE" ? new Response(null, { status: 204 }) : undefined
  );
  assert.equal((await client.send(null, { method: "DELETE" })).status, 200);
  server.behave(() => new Response("no", { status: 500 }));
  const failed = await client.send(null, { method: "DELETE" });
  assert.equal(failed.status, 502);
  assert.equal((await failed.json()).error.data.code, "upstream_failed");
});

Deno.test("an upstream that negotiates an unknown version gets no session", async () => {
  await using server = startServer({ version: "2026-07-28" });
  const client = await startFront(upstreamOf(server.url));
  const message = await client.initialize();
  assert.equal(message.error.code, -31016);
  assert.equal(client.session, undefined);
});

Deno.test("a gateway that throws gives an error without its reason", async () => {
  await using server = startServer();
  const faults: unknown[] = [];
  const gateway = allowAll();
  gateway.admit = () => Promise.reject(new Error("secret detail"));
  const client = await startFront(upstreamOf(server.url), {
    gateway,
    onFault: (error) => faults.push(error),
  });
  const response = await client.request("ping");
  assert.equal(response.status, 500);
  assert.ok(!JSON.stringify(await readMessage(response)).includes("secret"));
  assert.equal(faults.length, 1);
});

Deno.test("closeStreams() ends what a GET opened, and exchanges with the upstream are timed without it", async () => {
  await using server = startServer();
  const seconds: number[] = [];
  const client = await startFront(upstreamOf(server.url), { onUpstreamTime: (time) => seconds.push(time) });
  await client.initialize();
  assert.equal(seconds.length, 1);
  server.behave((_message, request) => {
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode(": open\n\n")),
    });
    const headers = { "content-type": "text/event-stream" };
    return request.method === "GET" ? new Response(body, { headers }) : undefined;
  });
  const stream = await client.send(null, { method: "GET" });
  const text = stream.text();
  await client.request("ping");
  client.front.closeStreams();
  assert.match(await text, /^(: open\n\n)?$/);
  assert.equal(seconds.length, 2);
  assert.ok(seconds.every((time) => time >= 0 && time < 5));
});
