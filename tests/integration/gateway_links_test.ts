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

/** Two replicas in front of an upstream of each era and a program, and a token for everything. */
async function twoReplicas(
  fixture: DatabaseFixture,
  work: (one: GatewayProcess, two: GatewayProcess, token: string) => Promise<void>,
): Promise<void> {
  const legacy = startLegacyServer();
  const modern = startModernServer();
  const program = new URL("stdio_upstream.ts", import.meta.url).pathname;
  const options = {
    config: {
      pipeline: [{ check: "capability" }],
      upstreams: {
        legacy: { url: legacy.url, client_requests: CLIENT_REQUESTS },
        modern: { url: modern.url, client_requests: CLIENT_REQUESTS },
        program: {
          ...{ command: Deno.execPath(), args: ["run", "-A", "--no-config", program, logOf(fixture)] },
          client_requests: CLIENT_REQUESTS,
        },
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

/** Where the program writes what it is told. */
function logOf({ dataDir }: DatabaseFixture): string {
  return `${dataDir}/stdio_upstream.log`;
}

type Choice = (count: number, request: number) => number;

/** A legacy client whose requests go to whichever replica; by default every one to another than the one before. */
class WanderingClient {
  readonly #urls: readonly string[];
  readonly #headers: Record<string, string>;
  readonly #choose: Choice;
  #requests = 0;
  #id = 0;

  constructor(urls: readonly string[], token: string, choose: Choice = (count, request) => request % count) {
    this.#urls = urls;
    this.#choose = choose;
    this.#headers = {
      ...{ authorization: `Bearer ${token}`, "content-type": "application/json" },
      accept: "application/json, text/event-stream",
    };
  }

  #url(): string {
    return this.#urls[this.#choose(this.#urls.length, this.#requests++)] ?? "";
  }

  async post(message: JsonObject): Promise<Response> {
    return await fetch(this.#url(), {
      ...{ method: "POST", headers: this.#headers },
      body: JSON.stringify({ jsonrpc: "2.0", ...message }),
    });
  }

  /** The id of the request that was sent last. */
  get lastId(): number {
    return this.#id;
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
    return await fetch(this.#url(), { headers });
  }

  async end(): Promise<Response> {
    return await fetch(this.#url(), { method: "DELETE", headers: this.#headers });
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
      // Each round was a decision of its own: two calls, and one answer in each.
      const rounds = (await events(one, "default")).filter(({ api, metadata }) =>
        metadata.event_code === "call.decided" && api.operation === ELICITATION
      );
      assert.equal(rounds.length, 4);
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

/** The same numbers for the same seed (Park and Miller, 1988). */
function randomChoice(seed: number): Choice {
  let state = seed % 2_147_483_646 + 1;
  return (count) => (state = state * 48_271 % 2_147_483_647) % count;
}

testPostgres(
  "a session with a program works behind a balancer that sends each request to any replica",
  async (fixture) => {
    const seed = Number(Deno.env.get("INTENTGATE_TEST_SEED") ?? Date.now() % 1_000_000);
    const choose = randomChoice(seed);
    await twoReplicas(fixture, async (one, two, token) => {
      const urls = [one, two].map(({ url }) => `${url}/mcp/program`);
      for (let round = 0; round < 3; round++) {
        await wander(new WanderingClient(urls, token, choose), logOf(fixture));
      }
      assert.equal(await verdict(one, "default"), "verified");
    }).catch((error) => {
      throw new Error(`Failed with INTENTGATE_TEST_SEED=${seed}`, { cause: error });
    });
  },
);

/** Calls, the session's stream, cancellation, and the session's end. */
async function wander(client: WanderingClient, logFile: string): Promise<void> {
  const log = async () => await Deno.readTextFile(logFile).catch(() => "");
  const told = async (what: string) =>
    (await log()).split("\n").filter((line) => line.endsWith(` ${what}`)).length;
  const closedBefore = await told("closed");
  await client.connect();
  const processes = new Set<string>();
  for (let n = 0; n < 8; n++) {
    const text = await (await client.request("tools/call", { name: "fast" })).text();
    processes.add(/process (\d+)/.exec(text)?.[1] ?? text);
  }
  assert.equal(processes.size, 1, `one process for one session: ${[...processes].join()}`);

  const next = messagesOf(await client.open());
  await (await client.request("tools/call", { name: "change" })).text();
  assert.equal((await next())?.method, "notifications/tools/list_changed");

  const [cancelled, calls] = [await told("notifications/cancelled"), await told("tools/call")];
  const slow = client.request("tools/call", { name: "slow" });
  const { lastId } = client;
  await eventually(async () => await told("tools/call") > calls, "the slow call");
  const params = { requestId: lastId };
  assert.equal((await client.post({ method: "notifications/cancelled", params })).status, 202);
  assert.match(await (await slow).text(), /"outcome_unknown"/);
  await eventually(async () => await told("notifications/cancelled") > cancelled, "the cancellation");

  assert.equal((await client.end()).status, 200);
  while (await next() !== undefined); // the stream ends with the session
  for (let n = 0; n < 4; n++) {
    assert.equal((await client.request("tools/call", { name: "fast" })).status, 404);
  }
  await eventually(async () => await told("closed") > closedBefore, "the end of the process");
}

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
