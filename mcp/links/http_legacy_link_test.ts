import assert from "node:assert/strict";
import { event, events, json, legacyHandshake, optionsOf, serve } from "./http_fixture.ts";
import { openHttpLegacyLink } from "./http_legacy_link.ts";
import { requestOf, until } from "./link_fixture.ts";

Deno.test("openHttpLegacyLink() shakes hands, keeps the session, and ends it", async () => {
  const server = serve((seen) =>
    legacyHandshake(seen, "s-1") ?? json({ id: seen.message.id, result: { ok: true } })
  );
  const link = await openHttpLegacyLink(optionsOf(server.url, {
    credential: ({ tool }) => Promise.resolve({ "x-key": tool ?? "none" }),
  }));
  assert.deepEqual(link.info.serverInfo, { name: "fake", version: "1" });
  const traceHeaders = { traceparent: "00-11-22-01", cookie: "no" };
  const answer = await link.request(requestOf("tools/call", {
    ...{ params: { name: "t" }, client: { capabilities: {}, traceHeaders } },
  }));
  assert.deepEqual(answer, { kind: "result", result: { ok: true }, text: '{"ok":true}' });
  await link.close();
  assert.equal(await link.gone, "closed");
  assert.equal(link.isOpen(), false);
  const [initialize, initialized, call, ended] = server.seen;
  assert.deepEqual(
    [initialize, initialized, call, ended].map((seen) => seen?.headers.get("mcp-session-id")),
    [
      ...[null, "s-1", "s-1", "s-1"],
    ],
  );
  assert.equal(initialize?.headers.get("mcp-protocol-version"), null);
  assert.equal(call?.headers.get("mcp-protocol-version"), "2025-11-25");
  assert.deepEqual([call?.headers.get("traceparent"), call?.headers.get("cookie")], ["00-11-22-01", null]);
  assert.deepEqual([initialize?.headers.get("x-key"), call?.headers.get("x-key")], ["none", "t"]);
  assert.equal(ended?.method, "DELETE");
  await server.stop();
});

Deno.test("a legacy HTTP link goes on after a broken stream with the last event's id", async () => {
  let resumed = "";
  const server = serve((seen) => {
    const early = legacyHandshake(seen, "s");
    if (early !== undefined) return early;
    if (seen.method === "GET") {
      resumed += seen.headers.get("last-event-id");
      if (resumed === "e1") return events(["id: e2\nretry: 10\ndata:"]);
      return events([event({ id: 2, result: { late: 1 } }, "e3")]);
    }
    const progress = {
      method: "notifications/progress",
      params: { progressToken: seen.message.id, progress: 1 },
    };
    return events(["retry: 10\nid: e0\ndata:", event(progress as never, "e1")]);
  });
  const link = await openHttpLegacyLink(optionsOf(server.url));
  const progress: unknown[] = [];
  const answer = await link.request(
    requestOf("tools/call", { onProgress: (params) => progress.push(params) }),
  );
  assert.deepEqual(answer.kind === "result" && answer.result, { late: 1 });
  assert.deepEqual([progress, resumed], [[{ progress: 1 }], "e1e2"]);
  await link.close();
  await server.stop();
});

Deno.test("a legacy HTTP link fails a stream that cannot go on, and knows what is not known", async () => {
  const server = serve((seen) =>
    legacyHandshake(seen) ?? events([": comment", event({ id: 99, result: {} })])
  );
  const link = await openHttpLegacyLink(optionsOf(server.url));
  await assert.rejects(link.request(requestOf("tools/call")), { kind: "unknown", code: "stream_closed" });
  await link.close();
  assert.ok(server.seen.every(({ method }) => method === "POST"), "there is no session to end");
  await server.stop();
});

Deno.test("a legacy HTTP link is gone when its session is, and the request was never run", async () => {
  const server = serve((seen) => legacyHandshake(seen, "s") ?? new Response("gone", { status: 404 }));
  const link = await openHttpLegacyLink(optionsOf(server.url));
  await assert.rejects(link.request(requestOf("tools/call")), {
    kind: "upstream_failed",
    code: "session_lost",
  });
  assert.equal(await link.gone, "session_lost");
  assert.equal(link.isOpen(), false);
  await server.stop();
});

Deno.test("a legacy HTTP link cancels by a message, and answers requests of the upstream on the call's stream", async () => {
  const server = serve((seen) => {
    const early = legacyHandshake(seen, "s");
    if (early !== undefined) return early;
    if (seen.message.method === "tools/call") {
      return events([event({ id: "ask", method: "roots/list", params: {} })], "open");
    }
    return new Response(null, { status: 202 });
  });
  const link = await openHttpLegacyLink(optionsOf(server.url));
  const agent = new AbortController();
  const call = link.request(requestOf("tools/call", {
    ...{ signal: agent.signal, onServerRequest: () => Promise.resolve({ roots: [{ uri: "file:///x" }] }) },
  }));
  const sentLater = () => server.seen.map(({ message }) => message).slice(3);
  await until(() => sentLater().length === 1, "the answer");
  agent.abort();
  await assert.rejects(call, { code: "cancelled" });
  await until(() => sentLater().length === 2, "the cancellation");
  assert.deepEqual(sentLater(), [
    { jsonrpc: "2.0", id: "ask", result: { roots: [{ uri: "file:///x" }] } },
    { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 2, reason: "cancelled" } },
  ]);
  await link.close();
  await server.stop();
});

Deno.test("a legacy HTTP link believes only what MCP allows", async () => {
  const answers: Record<string, () => Response> = {
    redirect: () => new Response(null, { status: 307, headers: { location: "http://127.0.0.1:1/" } }),
    http_500: () => new Response("no", { status: 500 }),
    http_403: () => Response.json({ error: "no" }, { status: 403 }),
    not_mcp: () => new Response("<html>", { headers: { "content-type": "text/html" } }),
    response_too_large: () => json({ id: 2, result: { text: "x".repeat(200_000) } }),
  };
  for (const [code, answer] of Object.entries(answers)) {
    const server = serve((seen) => legacyHandshake(seen) ?? answer());
    const link = await openHttpLegacyLink(optionsOf(server.url));
    await assert.rejects(link.request(requestOf("tools/call")), { kind: "upstream_failed", code });
    await link.close();
    await server.stop();
  }
  const refusing = serve((seen) =>
    legacyHandshake(seen) ?? json({ id: null, error: { code: -32602, message: "no" } }, { status: 400 })
  );
  const link = await openHttpLegacyLink(optionsOf(refusing.url));
  assert.deepEqual(await link.request(requestOf("tools/call")), {
    ...{ kind: "error", error: { code: -32602, message: "no" }, status: 400 },
  });
  await link.close();
  await refusing.stop();
});

Deno.test("a legacy HTTP link is not driven into a loop by a stream without notices and `retry: 0`", async () => {
  let gets = 0;
  const server = serve((seen) => {
    const early = legacyHandshake(seen, "s");
    if (early !== undefined) return early;
    gets++;
    return events(["retry: 0\ndata:"]);
  });
  const link = await openHttpLegacyLink(optionsOf(server.url));
  const stop = await link.listen({ toolsListChanged: true }, () => {});
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.ok(gets === 1, `${gets} streams opened`);
  stop();
  await link.close();
  await server.stop();
});

Deno.test("a legacy HTTP link watches resources, reconnects its stream of notices, and stops both", async () => {
  const told: unknown[] = [];
  const gets: (string | null)[] = [];
  const server = serve((seen) => {
    const early = legacyHandshake(seen, "s");
    if (early !== undefined) return early;
    if (seen.method === "POST") {
      told.push([seen.message.method, seen.message.params]);
      return json({ id: seen.message.id, result: {} });
    }
    gets.push(seen.headers.get("last-event-id"));
    const updated = { method: "notifications/resources/updated", params: { uri: "file:///a" } };
    return gets.length === 1
      ? events([event(updated, "n1"), "retry: 10\ndata:"])
      : events([event(updated, "n2")], "open");
  });
  const link = await openHttpLegacyLink(optionsOf(server.url));
  const seen: string[] = [];
  const stop = await link.listen({ resourceSubscriptions: ["file:///a"] }, (method) => seen.push(method));
  await until(() => seen.length === 2, "both notices");
  stop();
  await until(() => told.length === 2, "the end of the subscription");
  assert.deepEqual(told, [["resources/subscribe", { uri: "file:///a" }], ["resources/unsubscribe", {
    uri: "file:///a",
  }]]);
  assert.deepEqual(gets, [null, "n1"]);
  await link.close();
  await server.stop();
});
