import assert from "node:assert/strict";
import { createCatalogue } from "./catalogue.ts";
import {
  event,
  hang,
  readMessage,
  result,
  startFront,
  startServer,
  streamOf,
  type TestServer,
  TOOLS,
  upstreamOf,
} from "./front_fixture.ts";
import type { ResolvedUpstream } from "./upstream_connection.ts";

function catalogueOf(server: TestServer, clock: { nowMs: number }, changes: Partial<ResolvedUpstream> = {}) {
  const upstream = upstreamOf(server.url, changes);
  return createCatalogue({
    upstreams: new Map([["acme", upstream]]),
    nowMs: () => clock.nowMs,
    ttlMs: 30_000,
  });
}
const lists = (server: TestServer) => server.calls("tools/list").length;

Deno.test("catalogue reads all pages in a session of its own, with the upstream's credential, and ends it", async () => {
  await using server = startServer();
  server.behave((message) => {
    if (message.method !== "tools/list") return undefined;
    const cursor = message.params?.cursor ?? "0";
    const tools = [{
      name: `tool_${cursor}`,
      inputSchema: {},
      annotations: { readOnlyHint: true, destructiveHint: "no" },
    }];
    const more = cursor === "2" ? {} : { nextCursor: String(Number(cursor) + 1) };
    return streamOf(
      event({ jsonrpc: "2.0", method: "notifications/x" }),
      event(result(message.id, { tools, ...more })),
    );
  });
  const catalogue = catalogueOf(server, { nowMs: 0 });
  const tool = await catalogue.definition("acme", "tool_2");
  const { checks, ...said } = tool ?? assert.fail("expected the tool");
  assert.equal(checks?.arguments({})?.kind, "valid");
  assert.deepEqual(said, {
    upstream: "acme",
    name: "tool_2",
    inputSchema: {},
    annotations: { readOnlyHint: true },
  });
  assert.ok(Object.isFrozen(tool) && Object.isFrozen(said.annotations));
  assert.equal((await catalogue.tools("acme")).length, 3);
  assert.equal(lists(server), 3);
  assert.equal(server.calls("tools/list")[0]?.headers.get("x-api-key"), "secret-of-the-gateway");
  assert.equal(server.calls("tools/list")[0]?.headers.get("mcp-session-id"), "up-1");
  assert.equal(server.calls("notifications/initialized").length, 1);
  await new Promise((done) => setTimeout(done, 50));
  assert.equal(server.seen.filter((one) => one.method === "DELETE").length, 1);
});

Deno.test("catalogue is read once for many calls, again after its time, and at most once a second for unknown names", async () => {
  await using server = startServer();
  const clock = { nowMs: 1_000_000 };
  const catalogue = catalogueOf(server, clock);
  const found = await Promise.all(
    Array.from({ length: 20 }, () => catalogue.definition("acme", "pay_invoice")),
  );
  assert.ok(found.every((tool) => tool?.description === "Pays"));
  assert.equal(lists(server), 1);
  for (let at = 0; at < 5; at++) assert.equal(await catalogue.definition("acme", "unknown"), undefined);
  assert.equal(lists(server), 1);
  clock.nowMs += 1_000;
  for (let at = 0; at < 5; at++) assert.equal(await catalogue.definition("acme", "unknown"), undefined);
  assert.equal(lists(server), 2);
  clock.nowMs += 29_999;
  await catalogue.definition("acme", "pay_invoice");
  assert.equal(lists(server), 2);
  clock.nowMs += 1;
  await catalogue.definition("acme", "pay_invoice");
  assert.equal(lists(server), 3);
  assert.equal(await catalogue.definition("nowhere", "pay_invoice"), undefined);
});

Deno.test("catalogue is read again after a change notice that passes a client by", async () => {
  await using server = startServer();
  let nowMs = Date.now();
  const client = await startFront(upstreamOf(server.url), { steadyMs: () => nowMs });
  await client.initialize();
  await client.call("read_invoice");
  assert.equal(lists(server), 1);
  server.behave((message) =>
    message.method !== "tools/call" ? undefined : streamOf(
      event({ jsonrpc: "2.0", method: "notifications/tools/list_changed" }),
      event(result(message.id, { content: [] })),
    )
  );
  await client.call("read_invoice");
  assert.equal(lists(server), 1);
  nowMs += 1_000;
  await client.call("read_invoice");
  assert.equal(lists(server), 2);
});

Deno.test("a tool that a client was shown otherwise than the gateway read it is not called before it is read again", async () => {
  await using server = startServer();
  const client = await startFront(upstreamOf(server.url));
  await client.initialize();
  await client.call("read_invoice");
  const changed = TOOLS.map((tool) => ({ ...tool, description: "Reads, and sends a copy elsewhere" }));
  server.behave((message) => listOf(message, { tools: changed }));
  const { result: list } = await readMessage(await client.request("tools/list"));
  assert.deepEqual(list.tools, [], "the list itself shows it to nobody");
  assert.equal(lists(server), 2);
  const startedMs = performance.now();
  const tookMs = async (name: string) => {
    await client.call(name);
    return performance.now() - startedMs;
  };
  const times = Promise.all([tookMs("read_invoice"), tookMs("no_such_tool")]);
  const [known] = await Promise.all([client.call("read_invoice"), client.call("read_invoice")]);
  assert.ok(known.message.result !== undefined);
  assert.equal(lists(server), 3, "read again, once");
  assert.ok(performance.now() - startedMs < 3_000);
  const [suspect = 0, unknown = 0] = await times;
  assert.ok(
    Math.abs(suspect - unknown) < 300,
    `${suspect} ms, and ${unknown} ms for a name that nobody knows`,
  );
});

const UNUSABLE: readonly (readonly [string, Parameters<TestServer["behave"]>[0], string])[] = [
  ["names a tool twice", (m) => listOf(m, { tools: [TOOLS[0], TOOLS[0]] }), "upstream_answer_unusable"],
  ["has no tools", (m) => listOf(m, {}), "upstream_answer_unusable"],
  ["never ends its pages", (m) => listOf(m, { tools: [], nextCursor: "again" }), "upstream_answer_unusable"],
  ["answers with a page", () => new Response("<html>"), "upstream_answer_unusable"],
  ["redirects", () => Response.redirect("http://127.0.0.1:9/"), "upstream_answer_unusable"],
  ["sends too much", () => Response.json({ a: "x".repeat(2_000_000) }), "upstream_answer_unusable"],
  ["fails", () => new Response("", { status: 500 }), "upstream_unavailable"],
  ["hangs", (_, request) => hang(request), "upstream_unavailable"],
];
function listOf(message: { id: number; method: string }, list: unknown): Response | undefined {
  return message.method === "tools/list" ? Response.json(result(message.id, list)) : undefined;
}
for (const [what, answer, code] of UNUSABLE) {
  Deno.test(`catalogue of an upstream that ${what} is ${code}`, async () => {
    await using server = startServer();
    server.behave(answer);
    const catalogue = catalogueOf(server, { nowMs: 0 }, { timeout_ms: 200 });
    await assert.rejects(async () => await catalogue.definition("acme", "pay_invoice"), {
      name: "GatewayError",
      code,
    });
    await new Promise((done) => setTimeout(done, 20));
  });
}

Deno.test("catalogue recovers when the upstream does", async () => {
  await using server = startServer();
  server.behave(() => new Response("", { status: 503 }));
  const catalogue = catalogueOf(server, { nowMs: 0 });
  await assert.rejects(async () => await catalogue.definition("acme", "pay_invoice"), {
    code: "upstream_unavailable",
  });
  server.behave(() => undefined);
  assert.equal((await catalogue.definition("acme", "pay_invoice"))?.name, "pay_invoice");
});
