/** Clients whose stream broke, and who come back with `Last-Event-ID`. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { EventSplitter } from "../event_stream.ts";
import type { LinkedRequest } from "../linked_request.ts";
import { fakeLink, resultOf, until } from "../links/link_fixture.ts";
import { LinkPool } from "../links/link_pool.ts";
import type { LinkAnswer, LinkRequest } from "../upstream_link.ts";
import { LinkServer, type ServedUpstream } from "./link_server.ts";

const upstream: ServedUpstream = {
  ...{ name: "fs", transport: "stdio", timeout_ms: 1_000, max_response_bytes: 100_000, client_requests: [] },
  ...{ homeTenant: "acme", tenants: ["acme"] },
};
const call = { id: 2, method: "tools/call", params: { name: "read", _meta: { progressToken: "p" } } };

/** A server, and a session of it. */
async function setup(answer: (request: LinkRequest) => Promise<LinkAnswer>, protocolVersion = "2025-11-25") {
  const link = fakeLink("legacy", answer);
  const listening: ((method: string, params: JsonObject) => void)[] = [];
  Object.assign(link, {
    listen: (_filter: unknown, listener: (method: string, params: JsonObject) => void) => {
      listening.push(listener);
      return Promise.resolve(() => void listening.splice(listening.indexOf(listener), 1));
    },
  });
  const pool = new LinkPool({ steadyMs: () => performance.now(), open: () => Promise.resolve(link) });
  const server = new LinkServer({
    ...{ pool, replicaId: "one", newId: () => crypto.randomUUID(), steadyMs: () => performance.now() },
    upstreams: [upstream],
  });
  const open = async () => {
    const response = await send({ id: 1, method: "initialize", params: { protocolVersion } });
    await response.body?.cancel();
    return response.headers.get("mcp-session-id") ?? "";
  };
  const send = (message: JsonObject, changes: Partial<LinkedRequest> = {}, headers: HeadersInit = {}) =>
    server.serve("fs")({
      ...{ method: "POST", caller: { tenant: "acme", blockIds: ["alice"] }, headers: new Headers(headers) },
      ...{ signal: new AbortController().signal },
      body: new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", ...message })),
      ...changes,
    });
  const session = await open();
  const post = (message: JsonObject, of = session) => send(message, {}, { "mcp-session-id": of });
  const get = (lastEventId?: string, of = session) =>
    send({}, { method: "GET" }, {
      "mcp-session-id": of,
      ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
    });
  const close = async () => {
    server.close();
    await pool.close();
  };
  const announce = (method: string) => listening.forEach((listener) => listener(method, {}));
  return { post, get, open, close, announce, listening };
}

/** Reads one event after the other. */
function eventsOf(response: Response) {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const splitter = new EventSplitter(Infinity);
  const waiting: { id: string; data: string }[] = [];
  const next = async () => {
    while (waiting.length === 0) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      for (const { lines, data } of splitter.push(value)) {
        waiting.push({ id: lines.find((line) => line.startsWith("id: "))?.slice(4) ?? "", data: data ?? "" });
      }
    }
    return waiting.shift();
  };
  return { next, cancel: () => reader.cancel() };
}

const progress = (request: LinkRequest, n: number) => request.onProgress?.({ progress: n });

Deno.test("the client of a call whose stream broke comes back for the rest and the answer", async () => {
  const going = Promise.withResolvers<void>();
  const { post, get, close } = await setup(async (request) => {
    progress(request, 1);
    progress(request, 2);
    await going.promise;
    progress(request, 3);
    return resultOf({ done: true });
  });
  const broken = eventsOf(await post(call));
  const first = await broken.next();
  assert.equal(JSON.parse(first?.data ?? "").params.progress, 1);
  const resumed = eventsOf(await get(first?.id));
  assert.equal(JSON.parse((await resumed.next())?.data ?? "").params.progress, 2);
  going.resolve();
  assert.equal(JSON.parse((await resumed.next())?.data ?? "").params.progress, 3);
  const answer = await resumed.next();
  assert.deepEqual(JSON.parse(answer?.data ?? ""), { jsonrpc: "2.0", id: 2, result: { done: true } });
  assert.equal(await resumed.next(), undefined);
  const late = eventsOf(await get(first?.id));
  assert.equal(JSON.parse((await late.next())?.data ?? "").params.progress, 2);
  await late.cancel();
  const afterAll = eventsOf(await get(answer?.id));
  assert.equal(await afterAll.next(), undefined);
  await broken.cancel();
  await close();
});

Deno.test("an event of another session, or one that never was, resumes nothing", async () => {
  const { post, get, open, close } = await setup((request) => {
    progress(request, 1);
    return Promise.resolve(resultOf({ secret: true }));
  });
  const { id = "" } = await eventsOf(await post(call)).next() ?? {};
  const other = await open();
  assert.equal((await get(id, other)).status, 400);
  for (const wrong of [id.replace(/^fs/, "web"), id.replace(/.$/, "9"), id.replace(/\..*\./, ".none.")]) {
    assert.equal((await get(wrong)).status, 400, wrong);
  }
  const again = await get(id);
  assert.match(await again.text(), /secret/);
  await close();
});

Deno.test("notices that come while the stream is broken are there when the client comes back", async () => {
  const { get, close, announce, listening } = await setup(() => Promise.resolve(resultOf({})));
  const broken = eventsOf(await get());
  const primed = await broken.next();
  assert.equal(primed?.data, "");
  await until(() => listening.length === 1, "listening");
  await broken.cancel();
  announce("notifications/tools/list_changed");
  announce("notifications/prompts/list_changed");
  const resumed = eventsOf(await get(primed?.id));
  const methods = [await resumed.next(), await resumed.next()].map((event) =>
    JSON.parse(event?.data ?? "").method
  );
  assert.deepEqual(methods, ["notifications/tools/list_changed", "notifications/prompts/list_changed"]);
  await resumed.cancel();
  // Who opens a stream without saying what it has had begins where it is.
  const fresh = eventsOf(await get());
  assert.equal((await fresh.next())?.data, "");
  announce("notifications/resources/list_changed");
  assert.match((await fresh.next())?.data ?? "", /resources/);
  await fresh.cancel();
  await close();
});

Deno.test("a client of an older version gets no event without data", async () => {
  const { get, close, announce, listening } = await setup(() => Promise.resolve(resultOf({})), "2025-06-18");
  const stream = eventsOf(await get());
  await until(() => listening.length === 1, "listening");
  announce("notifications/tools/list_changed");
  assert.match((await stream.next())?.data ?? "", /tools/);
  await stream.cancel();
  await close();
});
