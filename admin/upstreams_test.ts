import assert from "node:assert/strict";
import { adminApi } from "./app_fixture.ts";

Deno.test("GET /upstreams shows what is configured without secrets, and operators of some tenants only theirs", async () => {
  const { send, ask, operator } = await adminApi();
  const crm = { name: "crm", kind: "mcp", url: "https://crm.example:8443/mcp", tenants: "*" };
  const erp = { name: "erp", kind: "mcp", url: "https://erp.example/mcp", tenants: ["acme"] };
  const all = { upstreams: [crm, erp], next_after: null };
  assert.deepEqual(await (await ask("/upstreams")).json(), all);
  const page = await (await ask("/upstreams?limit=1")).json();
  assert.deepEqual(page, { upstreams: [crm], next_after: "crm" });
  assert.deepEqual(await (await ask("/upstreams?after=crm")).json(), { upstreams: [erp], next_after: null });
  const token = await operator("d", "viewer", ["default"]);
  assert.deepEqual(await (await send("/upstreams", { token })).json(), {
    upstreams: [crm],
    next_after: null,
  });
});

Deno.test("GET /self says who asks", async () => {
  const { send, ask, operator } = await adminApi();
  const root = { id: "root", how: "root", role: "admin", tenants: "*" };
  assert.deepEqual(await (await ask("/self")).json(), root);
  const token = await operator("alice", "viewer", ["acme"]);
  const alice = { id: "alice", how: "token", role: "viewer", tenants: ["acme"] };
  assert.deepEqual(await (await send("/self", { token })).json(), alice);
});
