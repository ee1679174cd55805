import assert from "node:assert/strict";
import { adminApi } from "./app_fixture.ts";

const GOOD = { id: "alice", role: "operator", tenants: ["acme"], ttl_seconds: 600 };

Deno.test("POST /operators shows a token once, which then works with that role and those tenants", async () => {
  const { ask, send, entries } = await adminApi();
  const response = await ask("/operators", GOOD);
  assert.equal(response.status, 201);
  const { token, ...rest } = await response.json();
  assert.match(token, /^igo_[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(rest, { id: "alice", role: "operator", tenants: ["acme"], expires_at: 1_700_000_600 });
  const minted = await send("/tokens", { token, body: { tenant: "acme", agent: "a", ttl_seconds: 60 } });
  assert.equal(minted.status, 201);
  const [created, used] = entries.map((entry) => JSON.parse(entry.canonical));
  assert.deepEqual([entries[0]?.chain, created.metadata.event_code], ["~installation", "operator.created"]);
  assert.deepEqual(created.entity.data, { role: "operator", tenants: ["acme"], expires_at: 1_700_000_600 });
  assert.deepEqual(used.unmapped.operator, { id: "alice", how: "token", role: "operator" });
  const listed = await (await ask("/operators")).text();
  assert.equal((JSON.stringify(entries) + listed).includes(token), false);
  assert.deepEqual(JSON.parse(listed), {
    operators: [{
      ...{ id: "alice", role: "operator", tenants: ["acme"], created_at: 1_700_000_000 },
      ...{ created_by: "root", expires_at: 1_700_000_600, disabled_at: null },
    }],
    next_after: null,
  });
});

Deno.test("DELETE /operators/{id} ends the token at once; the id may then get another", async () => {
  const { ask, send, entries } = await adminApi();
  const { token } = await (await ask("/operators", GOOD)).json();
  assert.equal((await ask("/operators", GOOD)).status, 409);
  const deleted = await send("/operators/alice", { method: "DELETE" });
  assert.deepEqual([deleted.status, await deleted.json()], [200, { id: "alice", disabled: true }]);
  const [refused, unknown] = [
    await send("/tenants", { token }),
    await send("/tenants", { token: `igo_${"A".repeat(43)}` }),
  ];
  assert.deepEqual([refused.status, await refused.text()], [401, await unknown.text()]);
  assert.equal(JSON.parse(entries.at(-1)?.canonical ?? "").metadata.event_code, "operator.deleted");
  for (const id of ["alice", "nobody", "root", "no%20id", "%F0%9F%8D%8E"]) {
    assert.equal((await send(`/operators/${id}`, { method: "DELETE" })).status, 404, id);
  }
  const again = await (await ask("/operators", GOOD)).json();
  assert.notEqual(again.token, token);
  assert.equal((await send("/tenants", { token: again.token })).status, 200);
});

Deno.test("POST /operators refuses what it does not understand", async () => {
  const { ask, entries } = await adminApi();
  const cases: [unknown, number, RegExp][] = [
    [{ ...GOOD, id: "root" }, 400, /"root" is the operator of the start-up token/],
    [{ ...GOOD, id: "Alice" }, 400, /operator id/],
    [{ ...GOOD, role: "owner" }, 400, /role/],
    [{ ...GOOD, tenants: [] }, 400, /tenants/],
    [{ ...GOOD, tenants: ["acme", "acme"] }, 400, /tenants/],
    [{ ...GOOD, tenants: ["*"] }, 400, /tenants/],
    [{ ...GOOD, tenants: ["nothere"] }, 404, /Tenant "nothere" does not exist/],
    [{ ...GOOD, ttl_seconds: 59 }, 400, /ttl_seconds/],
    [{ ...GOOD, ttl_seconds: 366 * 86_400 + 1 }, 400, /ttl_seconds/],
    [{ ...GOOD, token: "mine" }, 400, /token/],
    [{ id: "alice", tenants: "*", ttl_seconds: 60 }, 400, /role/],
  ];
  for (const [body, status, detail] of cases) {
    const response = await ask("/operators", body);
    assert.equal(response.status, status, JSON.stringify(body));
    assert.match((await response.json()).detail, detail);
  }
  assert.equal(entries.length, 0);
});
