/** Threat: an upstream never ends a line, an event or a list, in the places where an answer has no length of its own. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { Agent, resultOf } from "../agent.ts";
import { type GatewayProcess, startGateway } from "../gateway_process.ts";
import { eventually } from "../integration/gateways.ts";
import { ModernAgent } from "../modern_agent.ts";

const MAX_RESPONSE_BYTES = 1_048_576;
const encoder = new TextEncoder();
/** What follows without end. */
const LINE = encoder.encode("x".repeat(65_536));
const EVENTS = encoder.encode(
  `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"${
    "x".repeat(200)
  }"}}\n\n`
    .repeat(200),
);
const KNOWN: Readonly<Record<string, JsonObject>> = {
  initialize: {
    protocolVersion: "2025-11-25",
    capabilities: {},
    serverInfo: { name: "endless", version: "0" },
  },
  "server/discover": { supportedVersions: ["2026-07-28"], capabilities: { tools: {} } },
  "tools/list": {
    tools: [{ name: "read", inputSchema: { type: "object" }, annotations: { readOnlyHint: true } }],
  },
  "tools/call": { content: [] },
};

/** Answers as it should, but for the one thing that its path names. */
function startEndlessUpstream() {
  const state = { sent: 0, open: 0 };
  const abort = new AbortController();
  const endless = (first: string, again: Uint8Array): Response => {
    state.open++;
    let isFirst = true;
    const body = new ReadableStream({
      pull: (controller) => {
        controller.enqueue(isFirst ? encoder.encode(first) : again);
        state.sent += again.length;
        isFirst = false;
      },
      cancel: () => void state.open--,
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const server = Deno.serve({
    ...{ hostname: "127.0.0.1", port: 0, signal: abort.signal, onListen: () => {} },
    onError: () => new Response(null, { status: 500 }),
  }, async (request) => {
    const bad = decodeURIComponent(new URL(request.url).pathname.slice(1));
    if (request.method === "GET") {
      return bad === "events" ? endless("", EVENTS) : endless("data: evil-", LINE);
    }
    if (request.method !== "POST") return new Response(null, { status: 200 });
    const { id, method }: JsonObject = await request.json();
    if (id === undefined) return new Response(null, { status: 202 });
    if (method === bad) return endless("data: evil-", LINE);
    const result = KNOWN[String(method)];
    if (result === undefined) {
      return Response.json({ jsonrpc: "2.0", id, error: { code: -32601, message: "No" } }, { status: 404 });
    }
    return Response.json({ jsonrpc: "2.0", id, result }, { headers: { "mcp-session-id": "s" } });
  });
  return {
    state,
    url: `http://127.0.0.1:${server.addr.port}`,
    close: async () => {
      abort.abort();
      await server.finished;
    },
  };
}

async function peakMib({ pid }: GatewayProcess): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/** Reads a stream until it ends; how much came. */
async function drained(response: Response, mostBytes: number): Promise<number> {
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > mostBytes) break;
  }
  return bytes;
}

const BAD = ["line", "events", "subscriptions/listen", "tools/list", "initialize", "server/discover"];

Deno.test("a line that never ends is cut off wherever a stream may come, and costs no memory", async (t) => {
  const upstream = startEndlessUpstream();
  const urlOf = (bad: string) => `${upstream.url}/${encodeURIComponent(bad)}`;
  await using gateway = await startGateway({
    config: {
      decision_timeout_ms: 10_000,
      upstreams: Object.fromEntries(
        BAD.map((
          bad,
        ) => [bad.replaceAll(/\W/g, "_"), { url: urlOf(bad), max_response_bytes: MAX_RESPONSE_BYTES }]),
      ),
    },
  });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const open = (agent: Agent) =>
    fetch(agent.url, {
      headers: {
        ...{ accept: "text/event-stream", authorization: `Bearer ${agent.token}` },
        "mcp-session-id": agent.session ?? "",
      },
    });
  const modern = (name: string) => new ModernAgent(`${gateway.url}/mcp/${name}`, token);
  const warm = await Agent.connect(gateway.url, "line", token);
  assert.equal(resultOf(await warm.call("read")), "ok");
  const beforeMib = await peakMib(gateway);

  await t.step("a client without a gateway gets as much as it can bear", async () => {
    const most = 32 * MAX_RESPONSE_BYTES;
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
    assert.ok(await drained(await fetch(urlOf("line")), most) > most);
    assert.ok(await drained(await fetch(urlOf("tools/list"), { method: "POST", body }), most) > most);
    await eventually(() => upstream.state.open === 0, "the end of both");
  });
  await t.step("the stream of a session", async () => {
    upstream.state.sent = 0;
    const response = await open(warm);
    assert.ok(await drained(response, Infinity) < MAX_RESPONSE_BYTES, "it ends by itself");
    assert.ok(upstream.state.sent < 64 * MAX_RESPONSE_BYTES, `${upstream.state.sent} bytes were taken`);
  });
  await t.step("the stream of a listener", async () => {
    const response = await modern("subscriptions_listen").open("subscriptions/listen", {
      notifications: { toolsListChanged: true },
    });
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    assert.ok(await drained(response, Infinity) < MAX_RESPONSE_BYTES, "it ends by itself");
  });
  await t.step("events without end for a client that does not read", async () => {
    const agent = await Agent.connect(gateway.url, "events", token);
    const response = await open(agent);
    await eventually(() => upstream.state.open === 0, "giving it up", 20_000);
    const bytes = await drained(response, Infinity);
    assert.ok(bytes < 64 * MAX_RESPONSE_BYTES, `${bytes} bytes were kept for it`);
  });
  await t.step("a list, the beginning of a session, and what an upstream speaks", async () => {
    const listing = await Agent.connect(gateway.url, "tools_list", token);
    assert.equal(resultOf(await listing.request("tools/list")), "upstream_failed");
    assert.match(resultOf(await listing.call("read")), /^upstream_(?:answer_unusable|unavailable)$/);
    assert.equal(resultOf(await modern("tools_list").request("tools/list")), "upstream_failed");
    await assert.rejects(Agent.connect(gateway.url, "initialize", token), /upstream_failed/);
    const speaking = await modern("server_discover").request("tools/list");
    assert.ok(speaking.message.error !== undefined, speaking.text);
  });
  await t.step("no stream is left, and memory was bounded all the time", async () => {
    await eventually(() => upstream.state.open === 0, "the end of all streams");
    const grown = await peakMib(gateway) - beforeMib;
    assert.ok(grown < 300, `${grown} MiB more than before`);
    assert.equal(resultOf(await warm.call("read")), "ok");
  });
  await upstream.close();
});
