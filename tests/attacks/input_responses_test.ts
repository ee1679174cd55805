/** Threat: what a client answers to an upstream's questions shapes a call as its arguments do, and nobody sees it. */
import assert from "node:assert/strict";
import type { JsonValue } from "../../core/json.ts";
import { Agent, resultOf } from "../agent.ts";
import { startModernServer } from "../conformance/fixtures/modern_server.ts";
import { type GatewayProcess, startGateway } from "../gateway_process.ts";
import { ModernAgent } from "../modern_agent.ts";
import { startCarelessUpstream } from "./careless_upstream.ts";

const TOOL = "test_input_required_result_request_state";

// deno-lint-ignore no-explicit-any
async function lastDecision(gateway: GatewayProcess): Promise<any> {
  const { events } = await (await gateway.api("GET", "/api/v1/audit/events?tenant=default&limit=1000"))
    .json();
  // deno-lint-ignore no-explicit-any
  return events.map((row: any) => row.event).findLast((event: any) =>
    event.metadata.event_code === "call.decided"
  );
}

/** What an upstream may read as answers, and no policy and no event could. */
const UNREADABLE: Readonly<Record<string, JsonValue>> = {
  "a list": [{ confirm: { action: "accept" } }],
  "a text": '{"confirm":{"action":"accept"}}',
  "null": null,
  "a truth": true,
  "U+0000 in a name": { "confirm\0": { action: "accept" } },
  "U+0000 in an answer": { confirm: { action: "accept", content: { to: "alice\0mallory" } } },
};

Deno.test("answers to questions are in the record of the decision on them, and what cannot be read does not pass", async (t) => {
  const modern = startModernServer();
  const legacy = startCarelessUpstream({ read: undefined });
  await using gateway = await startGateway({
    config: {
      upstreams: {
        modern: { url: modern.url, client_requests: ["elicitation"] },
        legacy: { url: legacy.url },
      },
    },
  });
  const { token } = await gateway.mint({
    tenant: "default",
    agent: "a",
    ttl_seconds: 600,
    tools: [TOOL, "read"],
  });
  const agent = new ModernAgent(`${gateway.url}/mcp/modern`, token, { elicitation: {} });
  const direct = new ModernAgent(modern.url, undefined, { elicitation: {} });
  const inSession = await Agent.connect(gateway.url, "legacy", token);
  const answers = (ok: boolean) => ({ confirm: { action: "accept", content: { ok } } });

  await t.step("each round is a decision of its own, and its event tells answers from none", async () => {
    const asked = await agent.call(TOOL);
    const { requestState } = asked.message.result;
    const { unmapped: first } = await lastDecision(gateway);
    assert.equal(first.input_responses, undefined);
    const done = await agent.call(TOOL, {}, { inputResponses: answers(true), requestState });
    assert.equal(resultOf(done), "ok", done.text);
    const { unmapped: second } = await lastDecision(gateway);
    assert.match(second.input_responses.digest, /^[0-9a-f]{64}$/);
    assert.notEqual(second.input_responses.digest, second.arguments.digest);
  });
  await t.step("no answer stands in clear in an event", async () => {
    const { message: { result: { requestState } } } = await agent.call(TOOL);
    const inputResponses = { confirm: { action: "accept", content: { ok: true, code: "hunter2-secret" } } };
    assert.equal(resultOf(await agent.call(TOOL, {}, { inputResponses, requestState })), "ok");
    const page = await (await gateway.api("GET", "/api/v1/audit/events?tenant=default&limit=1000")).text();
    assert.ok(!page.includes("hunter2"));
  });
  for (const [what, inputResponses] of Object.entries(UNREADABLE)) {
    await t.step(what, async () => {
      const { message: { result: { requestState } } } = await direct.call(TOOL);
      const believed = await direct.call(TOOL, {}, { inputResponses, requestState });
      assert.equal(believed.status, 200, "the upstream itself takes it");
      const { message: { result: { requestState: sealed } } } = await agent.call(TOOL);
      const before = modern.seen.length;
      const refused = await agent.call(TOOL, {}, { inputResponses, requestState: sealed });
      assert.equal(refused.status, 400, refused.text);
      assert.equal(modern.seen.length, before);
    });
    await t.step(`${what}, in a session of the legacy era`, async () => {
      const params = { name: "read", arguments: { n: 1 }, inputResponses };
      await new Agent(legacy.url, undefined).request("tools/call", params);
      assert.equal(legacy.effects.length, 1, "the upstream itself takes it");
      const refused = await inSession.request("tools/call", params);
      assert.equal(refused.status, 400, refused.text);
      assert.equal(legacy.effects.length, 1);
      legacy.effects.length = 0;
    });
  }
  await t.step("answers that only the other era knows are in the record all the same", async () => {
    const answer = await inSession.request("tools/call", { name: "read", inputResponses: answers(true) });
    assert.equal(resultOf(answer), "ok");
    assert.match((await lastDecision(gateway)).unmapped.input_responses.digest, /^[0-9a-f]{64}$/);
  });
  await modern.stop();
  await legacy.close();
});
