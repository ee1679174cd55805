/** Threat: an agent calls a tool by name that its lists never showed, with everything that could make the refusal talk. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { Agent, type Answer, resultOf } from "../agent.ts";
import { startGateway } from "../gateway_process.ts";
import { ModernAgent, type ModernChanges } from "../modern_agent.ts";
import { startCarelessUpstream } from "./careless_upstream.ts";
import { startRoutedUpstream } from "./routed_upstream.ts";

/** Further params and headers of a call that a tool which is there would answer in a way of its own. */
const TEMPTATIONS: Readonly<Record<string, readonly [JsonObject, ModernChanges?]>> = {
  "nothing": [{}],
  "good arguments": [{ arguments: { n: 1, region: "eu" } }, { headers: { "mcp-param-region": "eu" } }],
  "no header for an argument": [{ arguments: { region: "eu" } }],
  "another header than the argument": [
    ...[{ arguments: { region: "eu" } }] as const,
    { headers: { "mcp-param-region": "us" } },
  ],
  "a header without an argument": [{ arguments: {} }, { headers: { "mcp-param-region": "us" } }],
  "arguments of other types": [{ arguments: { n: "x", region: 5, dry: "yes" } }],
  "arguments that differ in case": [{ arguments: { N: 1, Region: "eu" } }],
  "a state that nobody gave out": [{ requestState: "igq1.AAAA" }],
  "a state that is none": [{ requestState: { a: 1 } }],
  "answers to no question": [{ inputResponses: { a: { action: "accept" } } }],
  "a prompt and a memory": [{ _meta: { "intentgate/prompt": "x", "intentgate/memory": [] } }],
};

/** What the agent sees, without what is random, and the length that depends on the request's own id. */
function seen({ status, text, headers }: Answer): unknown {
  const body = text.replace(/"decision_id":"[0-9a-f-]{36}"/g, "").replace(/"id":\d+/, "");
  return [status, body, [...headers].filter(([name]) => name !== "date" && name !== "content-length")];
}

Deno.test("a hidden tool called by name is answered like one that does not exist, in both eras, and does nothing", async (t) => {
  const legacy = startCarelessUpstream({ read: undefined, wipe: undefined });
  const modern = startRoutedUpstream(["read", "wipe"]);
  const acted = {
    legacy: () => legacy.effects.map(({ tool }) => tool),
    modern: () =>
      modern.acted.filter(({ body }) => body.method === "tools/call").map(({ headers }) =>
        headers.get("mcp-name")
      ),
  };
  await using gateway = await startGateway({
    config: { upstreams: { legacy: { url: legacy.url }, modern: { url: modern.url } } },
  });
  const mint = async (more: JsonObject) =>
    (await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600, ...more })).token;
  const call = async (agent: Agent | ModernAgent, name: string, temptation: string): Promise<Answer> => {
    const [params, changes = {}] = TEMPTATIONS[temptation] ?? [{}];
    if (agent instanceof Agent) return await agent.request("tools/call", { name, ...params });
    const { _meta, ...others } = params;
    return await agent.request("tools/call", { name, ...others }, {
      ...changes,
      ...(_meta === undefined ? {} : { meta: _meta as JsonObject }),
    });
  };
  const agentsOf = async (token: string) => ({
    legacy: await Agent.connect(gateway.url, "legacy", token),
    modern: new ModernAgent(`${gateway.url}/mcp/modern`, token),
  });
  const eras = ["legacy", "modern"] as const;

  await t.step("the upstreams would do it", async () => {
    await new Agent(legacy.url, undefined).call("wipe");
    await new ModernAgent(modern.url, undefined).call("wipe");
    for (const era of eras) assert.deepEqual(acted[era](), ["wipe"], era);
  });

  const tokens: Readonly<Record<string, JsonObject>> = {
    "by the token's tools": { tools: ["read"] },
    "by another upstream's name": { tools: ["read", "other/wipe"] },
  };
  for (const [how, restriction] of Object.entries(tokens)) {
    const agents = await agentsOf(await mint(restriction));
    for (const era of eras) {
      await t.step(`${era}: hidden ${how}`, async () => {
        const agent = agents[era];
        const names = (await agent.request("tools/list")).message.result.tools.map((
          { name }: { name: string },
        ) => name);
        assert.deepEqual(names, ["read"]);
        assert.equal(resultOf(await agent.call("read")), "ok");
        const before = acted[era]().length;
        for (const temptation of Object.keys(TEMPTATIONS)) {
          const hidden = await call(agent, "wipe", temptation);
          assert.equal(resultOf(hidden), "not_available", `${temptation}: ${hidden.text}`);
          assert.deepEqual(seen(hidden), seen(await call(agent, "wip3", temptation)), temptation);
        }
        assert.equal(acted[era]().length, before, "nothing was done");
      });
    }
  }

  await t.step("and one that an operator has blocked, although the token covers it", async () => {
    const agents = await agentsOf(await mint({}));
    for (const era of eras) {
      assert.equal(resultOf(await agents[era].call("wipe")), "ok");
      const blocked = await gateway.api("POST", `/api/v1/tools/${era}/wipe/block`, { reason: "x" });
      assert.equal(blocked.status, 200, await blocked.text());
      const before = acted[era]().length;
      for (const temptation of Object.keys(TEMPTATIONS)) {
        const hidden = await call(agents[era], "wipe", temptation);
        assert.equal(resultOf(hidden), "not_available", `${era}, ${temptation}: ${hidden.text}`);
        assert.deepEqual(seen(hidden), seen(await call(agents[era], "wip3", temptation)), temptation);
      }
      assert.equal(acted[era]().length, before, "nothing was done");
    }
  });
  await legacy.close();
  await modern.close();
});
