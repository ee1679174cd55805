/** Which credential an upstream sees, for whom, through the whole gateway. */
import assert from "node:assert/strict";
import { startServer } from "../../mcp/front_fixture.ts";
import { Agent, resultOf } from "../agent.ts";
import { startGateway } from "../gateway_process.ts";

Deno.test("each tenant's and tool's credential reaches the upstream with its calls, and no other's", async () => {
  await using server = startServer();
  const secret = (name: string) => ({ headers: { "x-secret": { env: name } } });
  await using gateway = await startGateway({
    env: { OWN: "own-secret", ACME: "acme-secret", PAY: "pay-secret" },
    config: {
      pipeline: [{ check: "capability" }],
      upstreams: {
        erp: {
          ...{ url: server.url, headers: { "x-secret": { env: "OWN" } } },
          credentials: { tenants: { acme: secret("ACME") }, tools: { pay_invoice: secret("PAY") } },
        },
      },
    },
  });
  const seen = async (tenant: string, tool: string) => {
    const grants = { upstreams: ["*"], tools: ["*"], ttl_seconds: 600 };
    const { token } = await gateway.mint({ tenant, agent: "a", ...grants });
    const agent = await Agent.connect(gateway.url, "erp", token);
    assert.equal(resultOf(await agent.call(tool)), "ok");
    return server.calls("tools/call").at(-1)?.headers.get("x-secret");
  };
  assert.equal((await gateway.api("POST", "/api/v1/tenants", { name: "acme" })).status, 201);
  assert.equal(await seen("default", "read_invoice"), "own-secret");
  assert.equal(await seen("default", "pay_invoice"), "pay-secret");
  assert.equal(await seen("acme", "read_invoice"), "acme-secret");
  assert.ok(!(gateway.stdout + gateway.stderr).includes("-secret"));
});
