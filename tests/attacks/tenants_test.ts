/** Threat: tenant A reaches what is tenant B's alone: its upstream, its sessions, and the states that were given to it. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { Agent, resultOf } from "../agent.ts";
import { startModernServer } from "../conformance/fixtures/modern_server.ts";
import { startGateway } from "../gateway_process.ts";
import { ModernAgent } from "../modern_agent.ts";
import { startCarelessUpstream } from "./careless_upstream.ts";
import { sendRaw } from "./raw_http.ts";

const ASKING = "test_input_required_result_request_state";
/** The same for both tenants: it is the tenant that makes the difference. */
const GRANTS: JsonObject = {
  ...{ upstreams: ["*"], tools: ["read", "test_simple_text", ASKING] },
  ...{ prompts: ["*"], resources: ["a:*", "test://**"] },
};
const INITIALIZE: JsonObject = {
  ...{ jsonrpc: "2.0", id: 1, method: "initialize" },
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "a", version: "0" } },
};
const MESSAGES: readonly JsonObject[] = [
  INITIALIZE,
  { jsonrpc: "2.0", id: 2, method: "tools/list" },
  { jsonrpc: "2.0", id: 3, method: "tools/call", params: { name: "read", arguments: { n: 1 } } },
  { jsonrpc: "2.0", id: 4, method: "prompts/get", params: { name: "read" } },
  { jsonrpc: "2.0", id: 5, method: "resources/read", params: { uri: "a:b" } },
  {
    jsonrpc: "2.0",
    id: 6,
    method: "completion/complete",
    params: { ref: { type: "ref/prompt", name: "read" }, argument: {} },
  },
  { jsonrpc: "2.0", id: 7, method: "ping" },
  { jsonrpc: "2.0", method: "notifications/initialized" },
  { jsonrpc: "2.0", id: 8, result: {} },
];

Deno.test("tenant A gets nothing through tenant B's upstream, with whatever it knows of it", async (t) => {
  const upstream = startCarelessUpstream({ read: undefined });
  const modern = startModernServer();
  await using gateway = await startGateway({
    config: {
      upstreams: {
        ours: { url: upstream.url, tenants: ["default"] },
        shared: { url: upstream.url },
        theirs: { url: upstream.url, tenants: ["globex"] },
        theirs_modern: { url: modern.url, tenants: ["globex"], client_requests: ["elicitation"] },
        theirs_told: { url: modern.url, tenants: ["globex"], refusals: "tool_result" },
        shared_modern: { url: modern.url, client_requests: ["elicitation"] },
      },
    },
  });
  await (await gateway.api("POST", "/api/v1/tenants", { name: "globex" })).body?.cancel();
  // The same name of an agent in both tenants: it must not be what they are told apart by.
  const mint = async (tenant: string, more: JsonObject = {}) =>
    (await gateway.mint({
      tenant,
      agent: "billing",
      ttl_seconds: 600,
      upstreams: ["*"],
      ...GRANTS,
      ...more,
    })).token;
  const [ours, theirs] = [await mint("default"), await mint("globex")];
  const legit = await Agent.connect(gateway.url, "theirs", theirs);
  const post = async (
    path: string,
    body: JsonObject,
    headers: Record<string, string> = {},
    token = ours,
  ): Promise<{ readonly status: number; readonly text: string }> => {
    const agent = new Agent(`${gateway.url}${path}`, token);
    const { status, text } = await agent.send(body, headers);
    return { status, text };
  };
  const reached = () => upstream.requests.length;

  await t.step("the upstream itself serves anybody, and the gateway serves those whose it is", async () => {
    assert.equal(resultOf(await new Agent(upstream.url, undefined).call("read", { n: 1 })), "ok");
    assert.equal(resultOf(await legit.call("read", { n: 2 })), "ok");
    assert.equal(
      resultOf(await (await Agent.connect(gateway.url, "ours", ours)).call("read", { n: 3 })),
      "ok",
    );
    assert.equal(upstream.effects.length, 3);
  });

  await t.step("arguments that the token forbids tell nothing of another tenant's upstream", async () => {
    const name = "test_simple_text";
    const args = {
      [name]: {
        type: "object",
        properties: { n: { type: "integer", maximum: 1 } },
        additionalProperties: false,
      },
    };
    const bound = await mint("default", { args });
    const call = async (upstream: string, token: string) =>
      await new ModernAgent(`${gateway.url}/mcp/${upstream}`, token).call(name, { n: 2 });
    // From here on the gateway knows what the upstream speaks, and its way of refusing shows where it may be used.
    await call("theirs_told", theirs);
    const own = await call("theirs_told", await mint("globex", { args }));
    assert.equal(own.message.result?.isError, true, own.text);
    const [hidden, missing] = [await call("theirs_told", bound), await call("nowhere", bound)];
    for (const { status, message } of [hidden, missing]) {
      assert.deepEqual([status, message.error?.data?.code], [200, "not_available"], JSON.stringify(message));
    }
  });

  const own = await Agent.connect(gateway.url, "ours", ours);
  const sessions: Readonly<Record<string, string | undefined>> = {
    "no session": undefined,
    "its own session": own.session,
    "their session": legit.session,
  };
  for (const [what, session] of Object.entries(sessions)) {
    await t.step(`every message and method of HTTP, with ${what}`, async () => {
      const headers: Record<string, string> = session === undefined ? {} : { "mcp-session-id": session };
      const before = reached();
      for (const message of MESSAGES) {
        const refused = await post("/mcp/theirs", message, headers);
        const missing = await post("/mcp/missing", message, headers);
        const plain = ({ status, text }: typeof refused) => [status, text.replace(/[0-9a-f-]{36}/, "")];
        assert.deepEqual(plain(refused), plain(missing), JSON.stringify(message));
        assert.match(refused.text, /not_available|"code":-32|Mcp-Session-Id/);
      }
      for (const method of ["GET", "DELETE"]) {
        const response = await fetch(`${gateway.url}/mcp/theirs`, {
          method,
          headers: { authorization: `Bearer ${ours}`, accept: "text/event-stream", ...headers },
        });
        const text = await response.text();
        // The reason of the refusal is the name, whatever else is missing.
        assert.match(text, /not_available/, `${method}: ${response.status} ${text}`);
        assert.notEqual(response.headers.get("content-type"), "text/event-stream");
      }
      assert.equal(reached(), before, "nothing reached the upstream");
    });
  }
  await t.step("their session at an upstream that both may use", async () => {
    const shared = await Agent.connect(gateway.url, "shared", theirs);
    const before = reached();
    for (const message of MESSAGES.slice(1)) {
      const answer = await post("/mcp/shared", message, { "mcp-session-id": shared.session ?? "" });
      assert.equal(answer.status, 404, answer.text);
    }
    assert.equal(reached(), before);
    assert.equal(resultOf(await shared.call("read", { n: 4 })), "ok", "it is still theirs");
  });
  await t.step("no spelling of the path, and no header, names it in another way", async () => {
    const host = new URL(gateway.url).host;
    const body = JSON.stringify(INITIALIZE);
    const ways: readonly (readonly [string, ...string[]])[] = [
      ["/mcp/ours/../theirs"],
      ["/mcp/ours/%2e%2e/theirs"],
      ["/mcp/ours%2f..%2ftheirs"],
      ["/mcp//theirs"],
      ["/mcp/theirs/"],
      ["/mcp/THEIRS"],
      ["/mcp/theirs%00"],
      ["/mcp/%74heirs"],
      ["/mcp/theirs?upstream=ours"],
      ["/mcp/theirs;ours"],
      [`http://${host}/mcp/theirs`],
      ["/mcp/theirs", "X-Tenant: globex", "X-Forwarded-Prefix: /mcp/ours", "X-Original-URL: /mcp/ours"],
      [
        "/mcp/ours",
        "X-Original-URL: /mcp/theirs",
        "X-Rewrite-URL: /mcp/theirs",
        "X-HTTP-Method-Override: PUT",
      ],
    ];
    for (const [path, ...lines] of ways) {
      const before = legit.session;
      const request = [
        ...[`POST ${path} HTTP/1.1`, `Host: ${host}`, `Authorization: Bearer ${ours}`, "Connection: close"],
        ...["Content-Type: application/json", "Accept: application/json, text/event-stream", ...lines],
        `Content-Length: ${body.length}`,
      ];
      const count = reached();
      const answer = await sendRaw(gateway.url, `${request.join("\r\n")}\r\n\r\n${body}`);
      const session = /^mcp-session-id: (\S+)/im.exec(answer)?.[1];
      if (path === "/mcp/ours") {
        // Those headers change nothing: it is the upstream of the path, and its session opens no other one.
        assert.ok(session !== undefined, answer);
        const call = await post("/mcp/theirs", MESSAGES[2] ?? {}, { "mcp-session-id": session });
        assert.match(call.text, /not_available|-32001/);
        continue;
      }
      assert.equal(session, undefined, `${path}: ${answer}`);
      assert.equal(reached(), count, `${path}: ${answer}`);
      assert.equal(legit.session, before);
    }
  });
  await t.step("the modern era, where every request stands alone", async () => {
    const [mine, other] = [ours, theirs].map((token) =>
      new ModernAgent(`${gateway.url}/mcp/theirs_modern`, token, { elicitation: {} })
    );
    assert.ok(mine !== undefined && other !== undefined);
    assert.equal(resultOf(await other.call("test_simple_text")), "ok");
    const before = modern.seen.length;
    const requests: readonly (readonly [string, JsonObject])[] = [
      ["server/discover", {}],
      ["tools/list", {}],
      ["tools/call", { name: "test_simple_text", arguments: {} }],
      ["resources/read", { uri: "test://static-text" }],
      ["subscriptions/listen", { notifications: { toolsListChanged: true } }],
    ];
    for (const [method, params] of requests) {
      const refused = await mine.request(method, params);
      assert.equal(refused.message.error.data.code, "not_available", `${method}: ${refused.text}`);
    }
    // The gateway knows what the upstream speaks, and must not tell so by what it finds wrong with a call.
    const malformed: readonly (readonly [string, JsonObject])[] = [
      ["tools/call", { name: "test_simple_text", task: {} }],
      ["tools/call", { name: "test_simple_text", arguments: [] }],
      ["tools/call", { name: "test_simple_text", arguments: { a: "\0" } }],
      ["completion/complete", { ref: { type: "x" } }],
      ["prompts/get", { name: "a", arguments: 1 }],
    ];
    const missing = new ModernAgent(`${gateway.url}/mcp/missing`, ours, { elicitation: {} });
    for (const [method, params] of malformed) {
      const hidden = await mine.request(method, params);
      const none = await missing.request(method, params);
      assert.deepEqual([hidden.status, hidden.message.error], [none.status, none.message.error], hidden.text);
    }
    assert.equal(modern.seen.length, before, "nothing reached the upstream");
  });
  await t.step("a state that was given to the other tenant", async () => {
    const [mine, other] = [ours, theirs].map((token) =>
      new ModernAgent(`${gateway.url}/mcp/shared_modern`, token, { elicitation: {} })
    );
    assert.ok(mine !== undefined && other !== undefined);
    const { message } = await other.call(ASKING);
    const { requestState } = message.result;
    const inputResponses = { confirm: { action: "accept", content: { ok: true } } };
    assert.equal(resultOf(await mine.call(ASKING)), "ok"); // it may use that tool
    const before = modern.seen.length;
    const stolen = await mine.call(ASKING, {}, { inputResponses, requestState });
    assert.equal(resultOf(stolen), "request_state_invalid", stolen.text);
    assert.equal(modern.seen.length, before);
    assert.equal(resultOf(await other.call(ASKING, {}, { inputResponses, requestState })), "ok");
  });
  await t.step("what was refused stands in A's record, and nothing of it in B's", async () => {
    const count = async (tenant: string) => {
      const page = await (await gateway.api("GET", `/api/v1/audit/events?tenant=${tenant}&limit=1000`))
        .json();
      // deno-lint-ignore no-explicit-any
      const decided = page.events.map((row: any) => row.event).filter((event: any) =>
        event.metadata.event_code === "call.decided"
      );
      // deno-lint-ignore no-explicit-any
      return decided.filter((event: any) => event.unmapped.decision === "block").length;
    };
    assert.ok(await count("default") > 10);
    assert.equal(await count("globex"), 1, "its own refused call");
  });
  await upstream.close();
  await modern.stop();
});
