/** Threat: an agent learns from the answers which tools, upstreams and tenants there are. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { Agent, resultOf } from "../agent.ts";
import { startGateway } from "../gateway_process.ts";
import { startModernServer } from "../conformance/fixtures/modern_server.ts";
import { ModernAgent } from "../modern_agent.ts";
import { startCarelessUpstream } from "./careless_upstream.ts";

/** One way to ask; `session` is one of the upstream that the agent may use. */
interface Question {
  readonly method?: "GET" | "DELETE";
  readonly body?: JsonObject;
  readonly headers?: Record<string, string>;
}

const request = (method: string, params: JsonObject = {}) => ({ jsonrpc: "2.0", id: 1, method, params });
/** A question of the modern era; `name` is what `Mcp-Name` says. */
const modern = (method: string, params: JsonObject, name?: string, version = "2026-07-28"): Question => ({
  body: request(method, {
    ...params,
    _meta: {
      "io.modelcontextprotocol/protocolVersion": version,
      "io.modelcontextprotocol/clientCapabilities": {},
    },
  }),
  headers: {
    ...{ "mcp-protocol-version": version, "mcp-method": method },
    ...(name === undefined ? {} : { "mcp-name": name }),
  },
});
const MODERN_CALL: JsonObject = { name: "read", arguments: {} };
/** What is wrong with these is answered before anybody is asked who calls. */
const MALFORMED: Readonly<Record<string, Question>> = {
  "tools/call with a task": modern("tools/call", { ...MODERN_CALL, task: {} }, "read"),
  "tools/call with arguments that are none": modern("tools/call", { name: "read", arguments: [] }, "read"),
  "tools/call with U+0000": modern("tools/call", { name: "read", arguments: { n: "\0" } }, "read"),
  "tools/call with answers that are none": modern(
    "tools/call",
    { ...MODERN_CALL, inputResponses: 1 },
    "read",
  ),
  "completion/complete of nothing": modern("completion/complete", { ref: { type: "x" } }),
  "prompts/get with arguments that are none": modern("prompts/get", { name: "read", arguments: 1 }, "read"),
};
const QUESTIONS: Readonly<Record<string, Question>> = {
  "initialize": {
    body: request("initialize", {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "a" },
    }),
  },
  "tools/list": { body: request("tools/list") },
  "tools/call": { body: request("tools/call", { name: "read", arguments: {} }) },
  "tools/call with odd arguments": { body: request("tools/call", { name: "read", arguments: { N: 1 } }) },
  "ping": { body: request("ping") },
  "an unknown method": { body: request("prompts/list") },
  "a notification": { body: { jsonrpc: "2.0", method: "notifications/initialized" } },
  "the other era": modern("server/discover", {}),
  "a call of the other era": modern("tools/call", MODERN_CALL, "read"),
  "a state of the other era": modern("tools/call", { ...MODERN_CALL, requestState: "igq1.k1.AAAA" }, "read"),
  "a resource of the other era": modern("resources/read", { uri: "test://a" }, "test://a"),
  "a call of the other era in an unknown version": modern("tools/call", MODERN_CALL, "read", "2027-01-01"),
  "a stream of the other era": modern("subscriptions/listen", { notifications: {} }),
  "GET": { method: "GET" },
  "DELETE": { method: "DELETE" },
};

Deno.test("what an agent may not use looks like what does not exist", async (t) => {
  const upstream = startCarelessUpstream({ read: undefined, wipe: undefined });
  const modernServer = startModernServer();
  await using gateway = await startGateway({
    config: {
      upstreams: {
        mine: { url: upstream.url },
        others: { url: upstream.url, tenants: ["acme"] },
        others_loud: { url: upstream.url, tenants: ["acme"], refusals: "tool_result" },
        unscoped: { url: upstream.url },
        unscoped_loud: { url: upstream.url, refusals: "tool_result" },
        mine_modern: { url: modernServer.url },
        others_modern: { url: modernServer.url, tenants: ["acme"] },
        others_modern_loud: { url: modernServer.url, tenants: ["acme"], refusals: "tool_result" },
        unscoped_modern: { url: modernServer.url },
      },
    },
  });
  const mint = (more: JsonObject) =>
    gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600, tools: ["read", "nothing*"], ...more });
  const wide = (await mint({})).token;
  const narrow = (await mint({ upstreams: ["mine", "mine_modern"] })).token;
  const { session } = await Agent.connect(gateway.url, "mine", narrow);

  // Somebody else uses those of the modern era: the gateway knows by now what they speak.
  await (await gateway.api("POST", "/api/v1/tenants", { name: "acme" })).body?.cancel();
  const { token } = await mint({ tenant: "acme" });
  for (
    const [name, user] of [["others_modern", token], ["others_modern_loud", token], ["unscoped_modern", wide]]
  ) {
    const answer = await new ModernAgent(`${gateway.url}/mcp/${name}`, user).request("server/discover");
    assert.ok(answer.message.result, answer.text);
  }

  /** Everything that the agent sees, without what is random. */
  const ask = async (name: string, question: Question, token: string | undefined, withSession: boolean) => {
    const response = await fetch(`${gateway.url}/mcp/${name}`, {
      method: question.method ?? "POST",
      headers: {
        ...{ "content-type": "application/json", accept: "application/json, text/event-stream" },
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(withSession ? { "mcp-session-id": session ?? "" } : {}),
        ...question.headers,
      },
      ...(question.body === undefined ? {} : { body: JSON.stringify(question.body) }),
    });
    const text = (await response.text()).replace(/"decision_id":"[0-9a-f-]{36}"/, '"decision_id":""');
    // The challenge repeats the path that was asked for, whatever is there.
    const headers = [...response.headers].filter(([header]) => header !== "date")
      .map(([header, value]) => [header, value.replace(`/mcp/${name}"`, '/mcp/"')]);
    return { status: response.status, text, headers };
  };

  await t.step("the names differ in truth: the upstream has one tool and not the other", async () => {
    const call = async (name: string) => {
      const body = JSON.stringify(request("tools/call", { name }));
      await (await fetch(upstream.url, { method: "POST", body })).text();
    };
    await call("wipe");
    assert.equal(upstream.effects.length, 1);
    const list = await fetch(upstream.url, { method: "POST", body: JSON.stringify(request("tools/list")) });
    const { result } = await list.json();
    assert.deepEqual(result.tools.map((tool: { name: string }) => tool.name), ["read", "wipe"]);
    // And so do the upstreams: who may use one gets in.
    assert.notEqual((await Agent.connect(gateway.url, "unscoped_loud", wide)).session, undefined);
    upstream.effects.length = 0;
  });

  const ofOthers = ["others", "others_loud", "others_modern", "others_modern_loud"];
  for (const [what, question] of Object.entries({ ...QUESTIONS, ...MALFORMED })) {
    await t.step(`${what} tells no hidden upstream from a missing one`, async () => {
      for (const withSession of [false, true]) {
        const missing = await ask("missing", question, narrow, withSession);
        for (const hidden of [...ofOthers, "unscoped", "unscoped_loud", "unscoped_modern"]) {
          assert.deepEqual(await ask(hidden, question, narrow, withSession), missing, hidden);
        }
        for (const token of [undefined, "ig1.e30.AAAA"]) {
          const stranger = await ask("missing", question, token, withSession);
          assert.equal(stranger.status, what in MALFORMED ? 400 : 401, stranger.text);
          for (const name of ["mine", "mine_modern", ...ofOthers, "unscoped_loud", "unscoped_modern"]) {
            assert.deepEqual(await ask(name, question, token, withSession), stranger, name);
          }
        }
      }
    });
  }

  await t.step("a tool outside the token and one that does not exist get one answer", async () => {
    const call = (name: string) => ({ body: request("tools/call", { name, arguments: { n: 1 } }) });
    const unlisted = await ask("mine", call("wipe"), narrow, true);
    assert.match(unlisted.text, /"code":-31010/);
    for (const name of ["wip3", "WIPE", "__proto__", "constructor"]) {
      assert.deepEqual(await ask("mine", call(name), narrow, true), unlisted, name);
    }
    // Also one that the token covers: only who may list it may know that it is not there.
    assert.deepEqual(await ask("mine", call("nothing"), narrow, true), unlisted);
    assert.deepEqual(upstream.effects, []);
  });

  await t.step("the list holds only what the token covers", async () => {
    const agent = new Agent(`${gateway.url}/mcp/mine`, narrow);
    agent.session = session;
    assert.deepEqual(await agent.list(), ["read"]);
    assert.equal(resultOf(await agent.call("read", { n: 1 })), "ok");
    assert.deepEqual(upstream.effects, [{ tool: "read", n: "1" }]);
  });
  await upstream.close();
  await modernServer.stop();
});
