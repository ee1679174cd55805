import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { freePort, startGateway } from "../gateway_process.ts";

const PATHS = ["/api/v1/audit/verify?tenant=acme", "/metrics", "/readyz"];

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url);
  await response.body?.cancel();
  return response.status;
}

Deno.test("INTENTGATE_ADMIN_LISTEN leaves agents only /mcp and /healthz, and operators everything else", async () => {
  await using gateway = await startGateway({ adminPort: freePort() });
  for (const path of PATHS) assert.equal(await statusOf(`${gateway.url}${path}`), 404, path);
  assert.deepEqual(await Promise.all(PATHS.map((path) => statusOf(`${gateway.adminUrl}${path}`))), [
    ...[401, 200, 200],
  ]);
  for (const url of [gateway.url, gateway.adminUrl]) assert.equal(await statusOf(`${url}/healthz`), 200);
  assert.equal(await statusOf(`${gateway.adminUrl}/mcp/acme`), 404);
  const { token } = await gateway.mint({ tenant: "acme", agent: "a", ttl_seconds: 60 });
  const agent = await Agent.connect(gateway.url, "acme", token);
  assert.equal(resultOf(await agent.call("list_vendors")), "ok");
  assert.match(gateway.stdout, new RegExp(`Admin API +${gateway.adminUrl}/api/v1`));
});

Deno.test("one listener serves everything when no other is configured", async () => {
  await using gateway = await startGateway();
  assert.deepEqual(await Promise.all(PATHS.map((path) => statusOf(`${gateway.url}${path}`))), [
    401,
    200,
    200,
  ]);
});
