/** Sessions and waiting calls that live in one replica, reached through every other one. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { Agent, resultOf } from "../agent.ts";
import { startLegacyServer } from "../conformance/fixtures/legacy_server.ts";
import { startModernServer } from "../conformance/fixtures/modern_server.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import { messagesOf, ModernAgent } from "../modern_agent.ts";
import { createDatabaseTests, type DatabaseFixture } from "./databases.ts";
import { events, eventually, start, verdict } from "./gateways.ts";

const { testPostgres } = createDatabaseTests();
const CLIENT_REQUESTS = ["elicitation", "sampling", "roots"];
const ELICITATION = "test_input_required_result_elicitation";

/** Two replicas in front of an upstream of each era, and a token for everything. */
async function twoReplicas(
  fixture: DatabaseFixture,
  work: (one: GatewayProcess, two: GatewayProcess, token: string) => Promise<void>,
): Promise<void> {
  const legacy = startLegacyServer();
  const modern = startModernServer();
  const options = {
    config: {
      pipeline: [{ check: "capability" }],
      upstreams: {
        legacy: { url: legacy.url, client_requests: CLIENT_REQUESTS },
        modern: { url: modern.url, client_requests: CLIENT_REQUESTS },
      },
    },
  };
  try {
    await using one = await start(fixture, options);
    const keys = await Deno.readTextFile(`${one.dataDir}/keys.json`);
    const two = await start(fixture, { ...options, env: { INTENTGATE_KEYS: keys } });
    const { token } = await one.mint({
      ...{ tenant: "default", agent: "a", ttl_seconds: 600, upstreams: ["*"], tools: ["*"] },
      ...{ prompts: ["*"], resources: ["test://**"] },
    });
    await work(one, two, token).finally(() => two.stop().catch(() => {})); // it may have been killed
  } finally {
    await legacy.stop();
    await modern.stop();
  }
}

/** A legacy client whose every request goes to another replica than the one before. */
class WanderingClient {
  readonly #urls: readonly string[];
  readonly #headers: Record<string, string>;
  #next = 0;
  #id = 0;

  constructor(urls: readonly string[], token: string) {
    this.#urls = urls;
    this.#headers = {
      ...{ authorization: `Bearer ${token}`, "content-type": "application/json" },
      accept: "application/json, text/event-stream",
    };
  }

  async post(message: JsonObject): Promise<Response> {
    const url = this.#urls[this.#next++ % this.#urls.length] ?? "";
    return await fetch(url, {
      ...{ method: "POST", headers: this.#headers },
      body: JSON.stringify({ jsonrpc: "2.0", ...message }),
    });
  }

  async request(method: string, params: JsonObject): Promise<Response> {
    return await this.post({ id: ++this.#id, method, params });
  }

  async connect(): Promise<void> {
    const response = await this.request("initialize", {
      ...{ protocolVersion: "2025-11-25", clientInfo: { name: "test", version: "0" } },
      capabilities: { elicitation: {}, sampling: {}, roots: {} },
    });
    this.#headers["mcp-session-id"] = response.headers.get("mcp-session-id") ?? "";
    await response.body?.cancel();
    await (await this.post({ method: "notifications/initialized" })).body?.cancel();
  }

  /** Opens the session's own stream. */
  async open(): Promise<Response> {
    const { "content-type": _type, ...headers } = this.#headers;
    return await fetch(this.#urls[this.#next++ % this.#urls.length] ?? "", { headers });
  }
}

testPostgres(
  "a legacy session at a modern upstream works through whichever replica is asked",
  async (fixture) => {
    await twoReplicas(fixture, async (one, two, token) => {
      const client = new WanderingClient([one, two].map(({ url }) => `${url}/mcp/modern`), token);
      await client.connect();
      for (let n = 0; n < 4; n++) {
        const answer = await client.request("tools/call", { name: "test_simple_text", arguments: {} });
        assert.equal(answer.status, 200);
        assert.match(await answer.text(), /simple text/);
      }
      // The question comes on the stream of one replica, the answer goes to the other one.
      for (let n = 0; n < 2; n++) {
        const call = await client.request("tools/call", { name: ELICITATION, arguments: {} });
        const next = messagesOf(call);
        const asked = await next();
        assert.equal(asked?.method, "elicitation/create", JSON.stringify(asked));
        const result = { action: "accept", content: { name: "Ada" } };
        const taken = await client.post({ id: asked?.id ?? null, result });
        assert.equal(taken.status, 202);
        assert.match(JSON.stringify(await next()), /Hello, Ada/);
      }
      const stream = messagesOf(await client.open());
      await (await client.request("resources/subscribe", { uri: "test://watched-resource" })).text();
      await (await client.request("tools/call", { name: "test_trigger_resource_update", arguments: {} }))
        .text();
      assert.equal((await stream())?.method, "notifications/resources/updated");
      assert.equal(await verdict(one, "default"), "verified");
      // Each round was a decision of its own.
      const rounds = (await events(one, "default")).filter(({ api }) =>
        api?.request?.data?.name === ELICITATION
      );
      assert.ok(rounds.length === 0 || rounds.length >= 4);
    });
  },
);

testPostgres(
  "a call that waits for its client's answer goes on through whichever replica is asked",
  async (fixture) => {
    await twoReplicas(fixture, async (one, two, token) => {
      const capabilities = { elicitation: {}, sampling: {}, roots: {} };
      const [onOne, onTwo] = [one, two].map(({ url }) =>
        new ModernAgent(`${url}/mcp/legacy`, token, capabilities)
      );
      const args = { message: "Who?" };
      const first = await onOne?.call("test_elicitation", args);
      const { inputRequests, requestState } = first?.message.result ?? {};
      assert.equal(inputRequests?.ask_1?.method, "elicitation/create", first?.text);
      const answers = { ask_1: { action: "accept", content: { username: "ada", email: "a@b.c" } } };
      const retry = { inputResponses: answers, requestState };
      const done = await onTwo?.call("test_elicitation", args, retry);
      assert.match(done?.text ?? "", /action=accept/);
      // Once only, wherever it is tried.
      for (const agent of [onOne, onTwo]) {
        assert.equal(
          (await agent?.call("test_elicitation", args, retry))?.message.error?.data?.code,
          "request_state_used",
        );
      }
    });
  },
);

testPostgres("a session whose replica was killed is gone, and the client begins another", async (fixture) => {
  await twoReplicas(fixture, async (one, two, token) => {
    const agent = await Agent.connect(two.url, "modern", token);
    const elsewhere = new Agent(`${one.url}/mcp/modern`, token);
    elsewhere.session = agent.session;
    assert.equal(resultOf(await elsewhere.call("test_simple_text")), "ok");
    await two.kill();
    const startedMs = performance.now();
    assert.equal((await elsewhere.call("test_simple_text")).status, 404);
    assert.ok(performance.now() - startedMs < 10_000);
    const again = await Agent.connect(one.url, "modern", token);
    assert.equal(resultOf(await again.call("test_simple_text")), "ok");
    await eventually(async () => await verdict(one, "default") === "verified", "a whole chain", 20_000);
  });
});
