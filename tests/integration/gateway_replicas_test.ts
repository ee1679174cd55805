import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import type { JsonObject } from "../../core/json.ts";
import { startChangingUpstream } from "../attacks/changing_upstream.ts";
import { startModernServer } from "../conformance/fixtures/modern_server.ts";
import { startEffectServer } from "../effect_server.ts";
import { ModernAgent } from "../modern_agent.ts";
import { createDatabaseTests } from "./databases.ts";
import { events, eventually, start, verdict } from "./gateways.ts";

const { testPostgres } = createDatabaseTests();

testPostgres(
  "replicas that start at once share migrations, keys, sessions, limits and revocations",
  async (fixture) => {
    const upstream = startEffectServer();
    const keys = JSON.stringify({
      active: "k1",
      keys: { k1: btoa("0123456789abcdefghijklmnopqrstuv").replace(/=+$/, "") },
    });
    const options = {
      config: { upstreams: { effects: { url: upstream.url } } },
      env: { INTENTGATE_KEYS: keys },
    };
    const [one, two] = await Promise.all([start(fixture, options), start(fixture, options)]);
    if (one === undefined || two === undefined) assert.fail();
    await using _first = one;
    await using _second = two;
    const minted = await one.mint({ tenant: "default", agent: "a", ttl_seconds: 600, max_calls: 30 });
    const onOne = await Agent.connect(one.url, "effects", minted.token);
    const onTwo = new Agent(`${two.url}/mcp/effects`, minted.token);
    onTwo.session = onOne.session; // any replica serves it
    const answers = await Promise.all(
      Array.from({ length: 80 }, (_, n) => (n % 2 === 0 ? onOne : onTwo).call("count", { n })),
    );
    assert.equal(answers.filter((answer) => resultOf(answer) === "ok").length, 30);
    assert.equal(upstream.effects.length, 30);

    const other = await one.mint({ tenant: "default", agent: "b", ttl_seconds: 600 });
    const agent = await Agent.connect(two.url, "effects", other.token);
    assert.equal(resultOf(await agent.call("count")), "ok");
    const revokedAt = performance.now();
    await one.api("POST", "/api/v1/revocations", { tenant: "default", jti: other.jti, reason: "test" });
    await eventually(async () => (await agent.call("count")).status === 401, "the revocation", 1_000);
    console.log(`effective on the other replica after ${(performance.now() - revokedAt).toFixed(0)} ms`);
    assert.equal(await verdict(two, "default"), "verified");
    await upstream.close();
  },
);

testPostgres(
  "what an operator says about a tool at one replica holds at the other within a second",
  async (fixture) => {
    const annotations = { readOnlyHint: true };
    const pay = { name: "pay", description: "Pays", inputSchema: { type: "object" }, annotations };
    const upstream = startChangingUpstream([pay, { ...pay, name: "read" }]);
    const options = { config: { upstreams: { shop: { url: upstream.url } } } };
    await using one = await start(fixture, options);
    const keys = await Deno.readTextFile(`${one.dataDir}/keys.json`);
    await using two = await start(fixture, { ...options, env: { INTENTGATE_KEYS: keys } });
    const { token } = await one.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
    const onTwo = await Agent.connect(two.url, "shop", token);
    assert.equal(resultOf(await onTwo.call("pay")), "ok");

    /** Says something at the first replica, and waits until the second one acts on it. */
    const answer = async (what: "approve" | "block", body: JsonObject) => {
      const response = await one.api("POST", `/api/v1/tools/shop/pay/${what}`, { reason: "test", ...body });
      assert.equal(response.status, 200, await response.text());
      const startedMs = performance.now();
      const expected = what === "block" ? "not_available" : "ok";
      await eventually(async () => resultOf(await onTwo.call("pay")) === expected, what, 1_000);
      console.log(
        `${what} holds at the other replica after ${(performance.now() - startedMs).toFixed(0)} ms`,
      );
      assert.deepEqual(await onTwo.list(), what === "block" ? ["read"] : ["pay", "read"]);
    };
    const digest = async () => {
      const shown = await (await one.api("GET", "/api/v1/tools/shop/pay")).json();
      return shown.seen ?? shown.digest;
    };

    await answer("block", {});
    const before = upstream.calls.length;
    for (let n = 0; n < 5; n++) assert.equal(resultOf(await onTwo.call("pay")), "not_available");
    assert.equal(upstream.calls.length, before, "nothing reached the tool");
    await answer("approve", { digest: await digest() });

    const trusted = await digest();
    upstream.tools = [{ ...pay, description: "Pays whatever it wants" }, { ...pay, name: "read" }];
    await eventually(async () => !(await onTwo.list()).includes("pay"), "seeing the change", 5_000);
    assert.equal(resultOf(await onTwo.call("pay")), "not_available");
    assert.notEqual(await digest(), trusted, "the first replica knows what the second one saw");
    await answer("approve", { digest: await digest() });
    await upstream.close();
  },
);

testPostgres(
  "a requestState serves once, at whichever replica it is used",
  async (fixture) => {
    const modern = startModernServer();
    const options = {
      config: { upstreams: { modern: { url: modern.url, client_requests: ["elicitation"] } } },
    };
    await using one = await start(fixture, options);
    const keys = await Deno.readTextFile(`${one.dataDir}/keys.json`);
    await using two = await start(fixture, { ...options, env: { INTENTGATE_KEYS: keys } });
    const name = "test_input_required_result_request_state";
    const { token } = await one.mint({ tenant: "default", agent: "a", ttl_seconds: 600, tools: [name] });
    const [onOne, onTwo] = [one, two].map(({ url }) =>
      new ModernAgent(`${url}/mcp/modern`, token, { elicitation: {} })
    );
    assert.ok(onOne !== undefined && onTwo !== undefined);
    const inputResponses = { confirm: { action: "accept", content: { ok: true } } };
    const { message: { result: { requestState } } } = await onOne.call(name);
    assert.equal(resultOf(await onTwo.call(name, {}, { inputResponses, requestState })), "ok");
    for (const agent of [onOne, onTwo]) {
      const replayed = await agent.call(name, {}, { inputResponses, requestState });
      assert.equal(resultOf(replayed), "request_state_used", replayed.text);
    }
    // At both at the same time: one is served.
    const { message: { result: { requestState: other } } } = await onTwo.call(name);
    const answers = await Promise.all(
      Array.from(
        { length: 10 },
        (_, at) => (at % 2 === 0 ? onOne : onTwo).call(name, {}, { inputResponses, requestState: other }),
      ),
    );
    assert.deepEqual(answers.map(resultOf).filter((result) => result !== "request_state_used"), ["ok"]);
    await modern.stop();
  },
);

testPostgres(
  "a replica's open calls get the outcome unknown from another once its lease has ended",
  async (fixture) => {
    const upstream = startEffectServer();
    const options = { config: { upstreams: { effects: { url: upstream.url } } } };
    const dead = await start(fixture, options);
    const keys = await Deno.readTextFile(`${dead.dataDir}/keys.json`);
    await using survivor = await start(fixture, { ...options, env: { INTENTGATE_KEYS: keys } });
    const { token } = await dead.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
    const agent = await Agent.connect(dead.url, "effects", token);
    const hanging = agent.call("hang").catch(() => "cut off");
    await eventually(() => upstream.effects.length === 1, "the effect");
    await dead.kill();
    assert.equal(await hanging, "cut off");
    const outcomes = async () =>
      (await events(survivor, "default")).filter((event) => event.metadata.event_code === "call.ended");
    await eventually(async () => (await outcomes()).length === 1, "the sweeper's outcome", 40_000);
    const [outcome] = await outcomes();
    assert.deepEqual([outcome.unmapped.outcome, outcome.status_code], ["unknown", "replica_ended"]);
    assert.equal(await verdict(survivor, "default"), "verified");
    await upstream.close();
  },
);
