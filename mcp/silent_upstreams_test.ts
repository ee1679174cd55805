import assert from "node:assert/strict";
import {
  allowAll,
  event,
  modernAnswer,
  result,
  startFront,
  startServer,
  streamOf,
  upstreamOf,
} from "./front_fixture.ts";

const soon = (ms = 100) => new Promise((resolve) => setTimeout(resolve, ms));

/** A front for two upstreams with few places to decide, and what the one that is silent says in the end. */
async function withSilent(isSilent: (method: string) => boolean) {
  const good = startServer(), silent = startServer();
  const end = Promise.withResolvers<Response>();
  silent.behave((message) => isSilent(message.method) ? end.promise : undefined);
  const upstreams = new Map([
    ["acme", upstreamOf(good.url)],
    ["silent", { ...upstreamOf(silent.url), name: "silent", max_concurrent: 4 }],
  ]);
  const client = await startFront(upstreamOf(good.url), { upstreams, maxDeciding: 8, onFault: () => {} });
  await client.initialize();
  const close = async () => {
    end.resolve(Response.json({}));
    await silent[Symbol.asyncDispose]();
    await good[Symbol.asyncDispose]();
  };
  return { client, silent, end, close };
}

Deno.test("calls that wait for the tools of a silent upstream take no place from those to another", async () => {
  const { client, end, close } = await withSilent((method) => method === "tools/list");
  const session = client.session;
  client.session = undefined;
  const opened = await client.request("initialize", {
    ...{ protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } },
  }, { upstream: "silent" });
  await opened.body?.cancel();
  const headers = { "mcp-session-id": opened.headers.get("mcp-session-id") ?? "" };
  const hanging = Array.from(
    { length: 7 },
    () => client.request("tools/call", { name: "pay_invoice" }, { upstream: "silent", headers }),
  );
  await soon();
  assert.equal(client.front.underWay().deciding, 0);
  client.session = session;
  const startedMs = performance.now();
  for (let call = 0; call < 20; call++) assert.equal((await client.request("ping")).status, 200);
  assert.ok(performance.now() - startedMs < 1_000);
  end.resolve(Response.json({ jsonrpc: "2.0", id: 1, result: {} }));
  await Promise.allSettled(hanging);
  assert.deepEqual(client.front.underWay(), { reading: 0, deciding: 0, forwarded: 0 });
  await close();
});

Deno.test("what is asked about the era of a silent upstream holds a place at that upstream, and none of those that are decided", async () => {
  const { client, silent, end, close } = await withSilent(() => true);
  const asked = Array.from({ length: 7 }, () => client.modern("tools/list", {}, { upstream: "silent" }));
  await soon();
  assert.deepEqual(client.front.underWay(), { reading: 0, deciding: 0, forwarded: 4 });
  assert.equal(silent.seen.length, 1);
  assert.equal((await client.request("ping")).status, 200);
  end.resolve(Response.json({ jsonrpc: "2.0", id: 1, error: { code: -32601, message: "no" } }));
  const answers = await Promise.all(asked.map(async (sent) => {
    const response = await sent;
    const { error } = await response.json();
    return `${response.status} ${error.data?.code ?? error.code}`;
  }));
  assert.deepEqual(answers.toSorted(), [
    ...Array(4).fill("400 -32022"),
    ...Array(3).fill("503 upstream_busy"),
  ]);
  assert.deepEqual(client.front.underWay(), { reading: 0, deciding: 0, forwarded: 0 });
  await close();
});

const DISCOVERY = {
  supportedVersions: ["2026-07-28"],
  capabilities: { resources: {} },
  resultType: "complete",
};

Deno.test("the resources of a listener are decided in a place among those that are decided", async () => {
  await using server = startServer();
  server.behave((message) => {
    if (message.method === "server/discover") return Response.json(result(message.id, DISCOVERY));
    return message.method === "subscriptions/listen" ? streamOf(event({ jsonrpc: "2.0" })) : undefined;
  });
  const gateway = allowAll();
  const deciding: number[] = [];
  const handle = gateway.handle;
  const client = await startFront(upstreamOf(server.url), { gateway });
  gateway.handle = (call, credential, route) => {
    deciding.push(client.front.underWay().deciding);
    return handle(call, credential, route);
  };
  const notifications = { resourceSubscriptions: ["file:///a", "file:///b"] };
  await (await client.modern("subscriptions/listen", { notifications })).text();
  assert.deepEqual(deciding, [1, 1]);
  assert.deepEqual(client.front.underWay(), { reading: 0, deciding: 0, forwarded: 0 });
});

Deno.test("an upstream that does not end its streams after the answer has no more of them than calls, and not for long", async () => {
  await using server = startServer();
  let [open, most] = [0, 0];
  server.behave((message) => {
    if (message.method !== "tools/call") return undefined;
    let timer: ReturnType<typeof setInterval> | undefined;
    most = Math.max(most, ++open);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const write = (text: string) => controller.enqueue(new TextEncoder().encode(text));
        write(event(result(message.id, { content: [] })));
        timer = setInterval(() => write(":\n\n"), 50);
      },
      cancel: () => {
        clearInterval(timer);
        open--;
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const client = await startFront(upstreamOf(server.url, { max_concurrent: 4 }));
  await client.initialize();
  for (let call = 0; call < 40; call++) assert.equal((await client.call("pay_invoice")).ending.kind, "ok");
  // One more is counted here before its end has come over the network.
  assert.ok(most <= 4 + 4 + 2, `${most}`);
  await soon(1_500);
  assert.equal(open, 0);
});

Deno.test("a stream whose question may not be asked is not read any further", async () => {
  await using server = startServer();
  const ended = Promise.withResolvers<void>();
  server.behave((message, request) => {
    if (message.method === "server/discover") {
      return Response.json(result(message.id, { ...DISCOVERY, capabilities: { tools: {} } }));
    }
    if (message.method === "initialize") {
      return Response.json({ jsonrpc: "2.0", id: message.id, error: { code: -32601, message: "no" } }, {
        status: 404,
      });
    }
    if (message.method !== "tools/call") return undefined;
    request.signal.addEventListener("abort", () => ended.resolve());
    const inputRequests = { a: { method: "sampling/createMessage", params: {} } };
    const asked = event(result(message.id, { resultType: "input_required", inputRequests }));
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(asked)),
      cancel: () => ended.resolve(),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const client = await startFront(upstreamOf(server.url));
  const response = await client.modern("tools/call", { name: "pay_invoice", arguments: {} });
  assert.match(await response.text(), /input_not_allowed/);
  const startedMs = performance.now();
  await ended.promise;
  assert.ok(performance.now() - startedMs < 2_500, "it went on until its timeout");
});

Deno.test("a list that lets itself be waited for holds its place at the upstream until it has come", async () => {
  await using server = startServer();
  const list = Promise.withResolvers<void>();
  server.behave(async (message) => {
    if (message.method !== "tools/list") return modernAnswer(message);
    await list.promise;
    return modernAnswer(message) ?? Response.json(result(message.id, { tools: [] }));
  });
  const client = await startFront(upstreamOf(server.url, { max_concurrent: 2 }));
  await (await client.modern("server/discover", {})).text();
  const begun = await Promise.all([client.modern("tools/list", {}), client.modern("tools/list", {})]);
  assert.deepEqual(begun.map(({ headers }) => headers.get("content-type")), [
    "text/event-stream",
    "text/event-stream",
  ]);
  assert.equal(client.front.underWay().forwarded, 2);
  assert.equal((await client.modern("tools/list", {})).status, 503);
  list.resolve();
  for (const response of begun) assert.match(await response.text(), /"tools":/);
  await soon();
  assert.equal(client.front.underWay().forwarded, 0);
});
