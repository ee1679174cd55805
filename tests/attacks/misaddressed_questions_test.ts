/** Threat: what an upstream asks about one call is answered by somebody who may not make that call. */
import assert from "node:assert/strict";
import { attenuateToken } from "../../core/token/attenuate.ts";
import { type GatewayProcess, startGateway } from "../gateway_process.ts";
import { messagesOf, ModernAgent } from "../modern_agent.ts";

const CAPABILITIES = { elicitation: { form: {} } };
const PROGRAM = decodeURIComponent(new URL("./asking_program.mjs", import.meta.url).pathname);
const config = {
  pipeline: [{ check: "capability" }],
  upstreams: { asking: { command: "node", args: [PROGRAM], client_requests: ["elicitation"] } },
};

async function tokens(gateway: GatewayProcess) {
  const grant = { tenant: "default", agent: "boss", ttl_seconds: 600, upstreams: ["*"], tools: ["*"] };
  const { token } = await gateway.mint(grant);
  return { boss: token, helper: await attenuateToken(token, { tools: ["slow"] }) };
}

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("a token that was attenuated gets no question of its parent's call, while that runs or after", async () => {
  await using gateway = await startGateway({ config });
  const { boss, helper } = await tokens(gateway);
  const [asBoss, asHelper] = [boss, helper].map((token) =>
    new ModernAgent(`${gateway.url}/mcp/asking`, token, CAPABILITIES)
  ) as [ModernAgent, ModernAgent];
  const refused = await asHelper.call("confirm", { who: "PAYROLL" });
  assert.equal(refused.message.error.data.code, "not_available");
  await asBoss.request("tools/list");
  for (const leaves of [false, true]) {
    const leaving = new AbortController();
    const confirm = asBoss.request(
      "tools/call",
      { name: "confirm", arguments: { who: "PAYROLL", ms: 700 } },
      {
        signal: leaving.signal,
      },
    );
    if (leaves) {
      await later(300);
      leaving.abort();
      await confirm.catch(() => {});
    }
    const slow = await asHelper.call("slow", { ms: 1_200 });
    assert.match(slow.text, /done/);
    assert.ok(!slow.text.includes("PAYROLL"), slow.text);
    if (!leaves) assert.match((await confirm).text, /"input_required".*Delete PAYROLL/);
  }
});

Deno.test("a question that could be meant for either of two calls is put to neither", async () => {
  await using gateway = await startGateway({ config });
  const { boss } = await tokens(gateway);
  const agent = new ModernAgent(`${gateway.url}/mcp/asking`, boss, CAPABILITIES);
  await agent.request("tools/list");
  const confirm = agent.call("confirm", { who: "PAYROLL", ms: 300 });
  const slow = await agent.call("slow", { ms: 900 });
  assert.ok(!slow.text.includes("PAYROLL"), slow.text);
  assert.match((await confirm).text, /not deleted/);
  const alone = await agent.call("confirm", { who: "alone" });
  assert.match(alone.text, /"input_required".*Delete alone/);
});

Deno.test("the client of a session is asked whatever else it calls", async () => {
  await using gateway = await startGateway({ config });
  const { boss } = await tokens(gateway);
  const headers: Record<string, string> = {
    ...{ authorization: `Bearer ${boss}`, "content-type": "application/json" },
    accept: "application/json, text/event-stream",
  };
  const post = (message: object) =>
    fetch(`${gateway.url}/mcp/asking`, {
      ...{ method: "POST", headers },
      body: JSON.stringify({ jsonrpc: "2.0", ...message }),
    });
  const clientInfo = { name: "test", version: "0" };
  const params = { protocolVersion: "2025-11-25", clientInfo, capabilities: CAPABILITIES };
  const opened = await post({ id: 1, method: "initialize", params });
  headers["mcp-session-id"] = opened.headers.get("mcp-session-id") ?? "";
  await opened.text();
  await (await post({ method: "notifications/initialized" })).text();
  const call = (id: number, name: string, args: object) =>
    post({ id, method: "tools/call", params: { name, arguments: args } });
  const confirm = call(2, "confirm", { who: "A", ms: 300 });
  const next = messagesOf(await call(3, "slow", { ms: 900 }));
  const asked = await next();
  assert.equal(asked?.method, "elicitation/create", JSON.stringify(asked));
  await (await post({ id: asked?.id, result: { action: "accept", content: {} } })).text();
  assert.match(await (await confirm).text(), /deleted/);
  assert.match(JSON.stringify(await next()), /done/);
});
